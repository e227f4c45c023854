// Buttons inside a component: a click triggers its `select` event with the button's number.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-index]');
  if (button) trigger('select', {index: Number(button.dataset.index), value: button.title});
});
