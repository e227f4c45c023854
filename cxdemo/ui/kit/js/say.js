// The one place that turns the server's sentences into HTML: plain emphasis and nothing else.
const PLAIN = ['B', 'EM', 'I', 'SUB', 'SUP', 'DIV', 'DT', 'DD', 'SPAN'];

function say(place, sentence) {
  const draft = document.createElement('template'); // inert: nothing in it loads or runs
  draft.innerHTML = sentence;
  draft.content.querySelectorAll('*').forEach((part) => {
    if (!PLAIN.includes(part.tagName)) part.replaceWith(part.textContent);
    else [...part.attributes].forEach(({name}) => name === 'class' || part.removeAttribute(name));
  });
  place.replaceChildren(draft.content);
}
