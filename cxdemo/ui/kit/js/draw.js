// What viewers share: colours of the theme, sharp canvases, dragging, and questions to the
// server at a steady pace. It computes no step of the loss.

const find = (selector) => element.querySelector(selector);
const css = (name) => getComputedStyle(element).getPropertyValue(name).trim();
const number = (value, digits = 3) => Number(value.toPrecision(digits)).toString();
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;

function percent(share, digits = 0) { // whole percents, or so many digits
  if (!digits) return `${Math.round(100 * share)} %`;
  return share > 0 && share < 1e-5 ? '≈ 0 %' : `${number(100 * share, digits)} %`;
}

function colors() {
  return {
    ink: css('--body-text-color'), soft: css('--body-text-color-subdued'),
    line: css('--border-color-primary'), paper: css('--block-background-fill'),
    a: css('--cx-a'), b: css('--cx-b'), c: css('--cx-c'), d: css('--cx-d'), e: css('--cx-e'), f: css('--cx-f'),
  };
}

function decode(text, Type) {
  const bytes = Uint8Array.from(atob(text || ''), (c) => c.charCodeAt(0));
  return new Type(bytes.buffer);
}

function open(canvas) { // a drawing context in CSS pixels, as sharp as the screen
  const scale = window.devicePixelRatio || 1;
  const {width, height} = canvas.getBoundingClientRect();
  const size = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = '12px ui-sans-serif, system-ui, sans-serif';
  pen.lineJoin = 'round';
  return {pen, width, height};
}

function dot(pen, x, y, radius, fill, stroke = null, wide = 1.5) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fillStyle = fill;
  pen.fill();
  if (!stroke) return;
  pen.lineWidth = wide;
  pen.strokeStyle = stroke;
  pen.stroke();
}

function path(pen, places, color, width = 2, dash = []) {
  pen.beginPath();
  places.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
}

function write(pen, text, x, y, {color, align = 'left', weight = 400, size = 12} = {}) {
  pen.font = `${weight} ${size}px ui-sans-serif, system-ui, sans-serif`;
  pen.textAlign = align;
  pen.fillStyle = color;
  pen.fillText(text, x, y);
}

function heatMap(values, columns, low, high, palette) { // a small canvas, one pixel a value
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [columns, values.length / columns];
  const pen = canvas.getContext('2d');
  const pixels = pen.createImageData(canvas.width, canvas.height);
  values.forEach((value, k) => {
    const level = Math.round(255 * clamp((value - low) / (high - low || 1), 0, 1));
    pixels.data.set(palette.subarray(3 * level, 3 * level + 3), 4 * k);
    pixels.data[4 * k + 3] = 255;
  });
  pen.putImageData(pixels, 0, 0);
  return canvas;
}

function drags(canvas, move) { // move(x, y, begins) with shares of the canvas
  const place = (event) => {
    const area = canvas.getBoundingClientRect();
    return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({preventScroll: true});
    move(...place(event), true);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) move(...place(event), false);
  });
}

function arrowOf(event, far = 5) { // [dx, dy] of an arrow key, so many times as far with Shift
  const move = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]}[event.key];
  if (!move) return null;
  event.preventDefault();
  return move.map((way) => way * (event.shiftKey ? far : 1));
}

function arrows(canvas, step) { // step(dx, dy)
  canvas.addEventListener('keydown', (event) => {
    const move = arrowOf(event);
    if (move) step(...move);
  });
}

const LONGEST_WAIT = 3000; // milliseconds for an answer, before the next question is asked anyway

function paced(send, pause = 50) { // the newest question only, one at a time, at most one a pause
  let waiting = null, timer = null, asked = 0;
  const fire = () => {
    timer = null;
    if (waiting === null) return;
    if (asked && performance.now() - asked < LONGEST_WAIT) { timer = setTimeout(fire, pause); return; }
    asked = performance.now();
    send(waiting);
    waiting = null;
    timer = setTimeout(fire, pause);
  };
  const ask = (data) => { waiting = data; if (!timer) fire(); };
  ask.answered = () => { asked = 0; };
  return ask;
}

function redraws(draw) { // on a new size, and when the theme changes
  new ResizeObserver(() => { if (element.clientWidth) draw(); }).observe(element);
  new MutationObserver(() => requestAnimationFrame(draw)).observe(document.body, {attributes: true, attributeFilter: ['class']});
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const saveJson = (data, name) => save(new Blob([JSON.stringify(data, null, 2)], {type: 'application/json'}), name);

function saveFile(file) { // what the server sent: {name, type, data}, or {problem}
  if (!file) return;
  if (file.problem) find('.cxt-told').textContent = file.problem;
  if (!file.data) return;
  save(new Blob([decode(file.data, Uint8Array)], {type: file.type}), file.name);
}
