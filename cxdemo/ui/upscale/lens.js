// The magnifier: one place, shown of every result with hard pixels. Mouse, touch and arrow keys.
const STEP = 0.02;

function views() { return [...element.querySelectorAll('.cx-lens-view')]; }

function draw() {
  const lens = find('.cx-lens');
  if (!lens) return;
  const data = lens.dataset;
  const [width, height, x, y] = [data.width, data.height, data.x, data.y].map(Number);
  const zoom = Number(data.zoom) / (window.devicePixelRatio > 1.5 ? 1.5 : 1);
  let seen = null;
  for (const view of views()) {
    if (!view.style.backgroundImage) view.style.backgroundImage = `url("${view.dataset.src}")`;
    seen = [view.clientWidth / zoom, view.clientHeight / zoom];
    view.style.backgroundSize = `${width * zoom}px ${height * zoom}px`;
    const left = clamp(x * width - seen[0] / 2, 0, width - seen[0]);
    const top = clamp(y * height - seen[1] / 2, 0, height - seen[1]);
    view.style.backgroundPosition = `${-left * zoom}px ${-top * zoom}px`;
    const frame = find('.cx-lens-map i');
    frame.style.left = `${100 * left / width}%`;
    frame.style.top = `${100 * top / height}%`;
    frame.style.width = `${Math.min(100, 100 * seen[0] / width)}%`;
    frame.style.height = `${Math.min(100, 100 * seen[1] / height)}%`;
  }
  for (const button of element.querySelectorAll('button[data-zoom]')) {
    button.setAttribute('aria-pressed', String(button.dataset.zoom === data.zoom));
  }
}

function place(event) {
  const map = event.target.closest('.cx-lens-map');
  if (!map) return false;
  const box = map.querySelector('img').getBoundingClientRect();
  const lens = find('.cx-lens');
  lens.dataset.x = clamp((event.clientX - box.left) / box.width, 0, 1);
  lens.dataset.y = clamp((event.clientY - box.top) / box.height, 0, 1);
  draw();
  return true;
}

element.addEventListener('pointermove', (event) => {
  if (event.pointerType === 'mouse' || event.buttons) place(event);
});
element.addEventListener('pointerdown', place);
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-zoom]');
  if (!button) return;
  find('.cx-lens').dataset.zoom = button.dataset.zoom;
  draw();
});
element.addEventListener('keydown', (event) => {
  const move = event.target.closest('.cx-lens-map') && arrowOf(event);
  if (!move) return;
  const data = find('.cx-lens').dataset;
  data.x = clamp(Number(data.x) + STEP * move[0], 0, 1);
  data.y = clamp(Number(data.y) + STEP * move[1], 0, 1);
  draw();
});
new MutationObserver(draw).observe(element, {childList: true, subtree: true});
new ResizeObserver(draw).observe(element);
draw();
