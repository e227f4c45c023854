// Two heat maps over (mu, sigma) and what lies at the marker. `props.value` is the server's answer.
const state = {mu: 0, sigma: 1, h: 0.1, palette: decode(props.palette, Uint8Array)};
const canvas = (name) => find(`canvas[data-map=${name}]`);
const PAD = {left: 34, bottom: 32, top: 6, right: 6};
const SPAN = 6; // of both axes
const ask = paced((data) => trigger('ask', data), 60);
const question = (whole = false) => ask({mu: state.mu, sigma: state.sigma, h: state.h, whole: whole || !state.maps});

function arrive() {
  ask.answered();
  const answer = props.value;
  if (answer && answer.problem) find('.cxt-told').textContent = answer.sentence;
  if (!answer || !answer.reading) return;
  if (answer.maps) {
    state.maps = answer.maps;
    state.cx = decode(answer.maps.similarity, Float32Array);
    state.l2 = decode(answer.maps.squared, Float32Array);
  }
  state.reading = answer.reading;
  draw();
}

function draw() {
  if (!state.reading || !state.maps || !element.clientWidth) return;
  const l2 = state.l2.map((value) => -Math.log(value));
  plot('cx', state.cx, 0, Math.max(...state.cx), 'CX', [0, 1]);
  plot('l2', l2, -Math.log(73), 0, 'L2', [state.mu, 0]);
  laws();
  profile();
  tell();
}

function frame(width, height) {
  const wide = width - PAD.left - PAD.right, high = height - PAD.top - PAD.bottom;
  return {x: (mu) => PAD.left + (wide * mu) / SPAN, y: (sigma) => PAD.top + high * (1 - sigma / SPAN), wide, high};
}

function plot(name, values, low, high, said) {
  const {pen, width, height} = open(canvas(name));
  const {x, y, wide, high: tall} = frame(width, height), ink = colors();
  const side = Math.sqrt(values.length);
  pen.save();
  pen.translate(PAD.left, PAD.top + tall);
  pen.scale(1, -1);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(heatMap(values, side, low, high, state.palette), 0.5, 0.5, side - 1, side - 1, 0, 0, wide, tall);
  pen.restore();
  for (const tick of [0, 1, 2, 4, 6]) {
    write(pen, tick, x(tick), height - 17, {color: ink.soft, align: 'center'});
    write(pen, tick, PAD.left - 7, y(tick) + (tick === 6 ? 9 : 4), {color: ink.soft, align: 'right'});
  }
  write(pen, 'μ, the shift', x(3), height - 3, {color: ink.soft, align: 'center'});
  pen.save();
  pen.translate(11, y(3));
  pen.rotate(-Math.PI / 2);
  write(pen, 'σ, the spread', 0, 0, {color: ink.soft, align: 'center'});
  pen.restore();
  const best = name === 'cx' ? 1 : 0.05;
  star(pen, x(0), y(best), name === 'cx' ? 'best: σ = 1' : 'best: σ = 0');
  const [mx, my] = [x(state.mu), y(state.sigma)];
  path(pen, [[mx, PAD.top], [mx, PAD.top + tall]], 'rgba(255,255,255,.4)', 1, [3, 3]);
  dot(pen, mx, my, 9, 'rgba(0,0,0,.25)', '#10131a', 4);
  dot(pen, mx, my, 9, 'rgba(255,255,255,.25)', '#fff', 2);
  canvas(name).setAttribute('aria-label', `${said} over mu and sigma; marker at mu ${number(state.mu)}, sigma ${number(state.sigma)}. Arrow keys move it.`);
}

function star(pen, x, y, text) {
  dot(pen, x, y, 3.5, '#10131a', '#fff', 1.5);
  const wide = 84, left = x + 14, top = y - 20;
  pen.fillStyle = 'rgba(16,19,26,.72)';
  pen.fillRect(left, top, wide, 18);
  write(pen, text, left + 6, top + 13, {color: '#fff', weight: 600});
}

function laws() {
  const {pen, width, height} = open(canvas('laws')), ink = colors();
  const {mu, sigma, reading} = {...state, mu: state.reading.mu, sigma: state.reading.sigma};
  const low = Math.min(-4, mu - 3 * sigma), high = Math.max(4, mu + 3 * sigma), base = height - 34;
  const x = (value) => (width * (value - low)) / (high - low);
  const tall = (base - 8) / Math.min(1.1, Math.max(0.42, 0.4 / sigma));
  for (const [m, s, color, row, sample] of [[0, 1, ink.a, 0, reading.x], [mu, sigma, ink.b, 1, reading.y]]) {
    const places = [];
    for (let k = 0; k <= 300; k++) {
      const value = low + ((high - low) * k) / 300;
      places.push([x(value), Math.max(4, base - tall * Math.exp(-(((value - m) / s) ** 2) / 2) / (s * 2.5066))]);
    }
    path(pen, places, color, 2);
    pen.lineTo(width, base);
    pen.lineTo(0, base);
    pen.globalAlpha = 0.13;
    pen.fillStyle = color;
    pen.fill();
    pen.globalAlpha = 0.55;
    for (const value of sample) path(pen, [[x(value), base + 4 + 13 * row], [x(value), base + 14 + 13 * row]], color, 1);
    pen.globalAlpha = 1;
  }
  write(pen, 'X', 4, base + 13, {color: ink.a, weight: 700});
  write(pen, 'Y', 4, base + 27, {color: ink.b, weight: 700});
}

function profile() {
  const {pen, width, height} = open(canvas('profile')), ink = colors();
  const side = Math.sqrt(state.cx.length), column = Math.round((state.mu / SPAN) * (side - 1));
  const base = height - 28, x = (k) => 8 + ((width - 16) * k) / (side - 1);
  path(pen, [[8, base], [width - 8, base]], ink.line, 1);
  const cx = [], l2 = [];
  for (let k = 0; k < side; k++) { cx.push(state.cx[k * side + column]); l2.push(1 / state.l2[k * side + column]); }
  for (const [values, color, name] of [[l2, ink.b, 'L2'], [cx, ink.a, 'CX']]) {
    const most = Math.max(...values), top = values.indexOf(most);
    path(pen, values.map((value, k) => [x(k), base - ((base - 22) * value) / most]), color, 2);
    dot(pen, x(top), 22, 4, color);
    write(pen, name, clamp(x(top), 10, width - 20), 13, {color, weight: 700, align: x(top) < 12 ? 'left' : 'center'});
  }
  path(pen, [[x((state.sigma / SPAN) * (side - 1)), 16], [x((state.sigma / SPAN) * (side - 1)), base]], ink.soft, 1, [3, 3]);
  for (const tick of [0, 1, 2, 4, 6]) write(pen, tick, x((tick / SPAN) * (side - 1)), height - 14, {color: ink.soft, align: 'center'});
  write(pen, 'σ   (each curve scaled to its best; L2 as 1 / L2)', width / 2, height - 2, {color: ink.soft, align: 'center', size: 11});
}

function tell() {
  const {reading} = state;
  say(find('.cxt-numbers'), [
    ['μ', number(reading.mu)], ['σ', number(reading.sigma)],
    ['E[CX]', reading.similarity.toFixed(3)], ['E[L2] = 1 + μ² + σ²', number(reading.squared, 4)], ['DIS, distinct nearest', reading.distinct.toFixed(2)],
  ].map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join(''));
  say(find('.cxt-told'), reading.sentence);
}

function place(mu, sigma) {
  state.mu = Math.round(20 * clamp(mu, 0, SPAN)) / 20;
  state.sigma = Math.round(20 * clamp(sigma, 0.05, SPAN)) / 20;
  draw();
  question();
}

for (const name of ['cx', 'l2']) {
  drags(canvas(name), (u, v) => {
    const area = canvas(name).getBoundingClientRect(), {wide, high} = frame(area.width, area.height);
    place((SPAN * (u * area.width - PAD.left)) / wide, SPAN * (1 - (v * area.height - PAD.top) / high));
  });
  arrows(canvas(name), (dx, dy) => place(state.mu + 0.1 * dx, state.sigma - 0.1 * dy));
}
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.go) place(...button.dataset.go.split(',').map(Number));
  if (button.dataset.h) {
    state.h = Number(button.dataset.h);
    element.querySelectorAll('[data-h]').forEach((b) => b.setAttribute('aria-pressed', b === button));
    question(true);
  }
  if (button.dataset.save === 'png') trigger('save', {h: state.h});
  if (button.dataset.save === 'json' && state.reading) {
    saveJson({settings: {...state.maps.settings}, marker: state.reading, mus: state.maps.mus, sigmas: state.maps.sigmas, similarity: [...state.cx], squared: [...state.l2]}, 'cxdemo-gaussians.json');
  }
});
watch('value', arrive);
watch('file', () => saveFile(props.file));
redraws(draw);
question(true);
