// One point among targets. The server answers with the row: d, r, w, CX, and the field behind.
const ACROSS = 1.5; // the plane is 1.5 wide and 1 high
const plane = find('[data-part=plane]'), bars = find('[data-part=bars]'), slider = find('.cxt-h input');
const state = {
  point: [0.56, 0.44],
  targets: [[0.3, 0.28], [0.78, 0.62], [0.9, 0.22], [1.22, 0.4], [0.42, 0.76], [1.12, 0.78]],
  h: 0.5, held: -1,
};
const ask = paced((data) => trigger('ask', data), 40);
const question = (field) => {
  state.stale = state.stale || field || !state.field;
  ask({point: state.point, targets: state.targets, h: state.h, field: state.stale});
};
const tones = () => { const ink = colors(); return [ink.a, ink.b, ink.c, ink.d, ink.e, ink.f]; };

function arrive() {
  ask.answered();
  const row = props.value;
  if (row && row.problem) find('.cxt-told').textContent = row.sentence;
  if (!row || !row.affinity) return;
  if (row.field) {
    state.stale = false;
    state.field = {...row.field, index: decode(row.field.index, Uint8Array), share: decode(row.field.share, Uint8Array)};
  }
  state.row = row;
  draw();
}

function draw() {
  if (!state.row || !element.clientWidth) return;
  const ink = colors(), tone = tones();
  drawPlane(ink, tone);
  drawBars(ink, tone);
  say(find('.cxt-told'), state.row.sentence);
}

function rgb(color) { const n = parseInt(color.slice(1), 16); return [n >> 16, (n >> 8) & 255, n & 255]; }

function background(tone) {
  const {width, height, index, share} = state.field;
  const small = document.createElement('canvas');
  [small.width, small.height] = [width, height];
  const pen = small.getContext('2d'), pixels = pen.createImageData(width, height);
  const palette = tone.map(rgb);
  index.forEach((target, k) => {
    pixels.data.set(palette[target], 4 * k);
    pixels.data[4 * k + 3] = Math.max(0, share[k] - 40) * 0.55;
  });
  pen.putImageData(pixels, 0, 0);
  return small;
}

function drawPlane(ink, tone) {
  const {pen, width, height} = open(plane);
  const place = ([x, y]) => [(x / ACROSS) * width, y * height];
  if (state.field) pen.drawImage(background(tone), 0, 0, width, height);
  const from = place(state.point);
  state.targets.forEach((target, k) => {
    const to = place(target), share = state.row.affinity[k];
    pen.globalAlpha = 0.25 + 0.75 * share;
    path(pen, [from, to], tone[k], 1 + 9 * share);
    pen.globalAlpha = 1;
  });
  state.targets.forEach((target, k) => {
    const [x, y] = place(target);
    dot(pen, x, y, 12, tone[k], ink.paper, 2);
    write(pen, `y${k + 1}`, x, y + 4, {color: ink.paper, align: 'center', weight: 700});
  });
  dot(pen, ...from, 13, ink.ink, ink.paper, 3);
  write(pen, 'x', from[0], from[1] + 4, {color: ink.paper, align: 'center', weight: 700, size: 14});
  plane.setAttribute('aria-label', `x at ${number(state.point[0], 2)}, ${number(state.point[1], 2)}; best: target ${state.row.best + 1} with ${percent(state.row.affinity[state.row.best])} of the vote. Arrow keys move x.`);
}

function drawBars(ink, tone) {
  const {pen, width, height} = open(bars);
  const steps = [['d', 'distance', state.row.distance], ['r', 'relative to the nearest', state.row.relative], ['w', 'how much wanted', state.row.weight], ['CX', 'share of the vote', state.row.affinity]];
  const room = width / 2, tall = height / 2;
  steps.forEach(([name, said, values], step) => {
    const left = (step % 2) * room + 6, top = Math.floor(step / 2) * tall, base = top + tall - 22;
    write(pen, name, left, top + 14, {color: ink.ink, weight: 700, size: 13});
    write(pen, said, left + (name === 'CX' ? 26 : 15), top + 14, {color: ink.soft, size: 11});
    const most = name === 'CX' ? 1 : name === 'w' ? Math.max(1, ...values) : name === 'r' ? Math.min(20, Math.max(...values)) : Math.max(...values);
    const wide = (room - 14) / values.length;
    values.forEach((value, k) => {
      const high = (base - top - 38) * Math.min(1, value / (most || 1));
      pen.fillStyle = tone[k];
      pen.fillRect(left + k * wide + 2, base - high, wide - 5, high);
      const text = name === 'CX' ? percent(value) : value > 0 && value < 0.005 ? '≈0' : number(value, 2);
      write(pen, value > 9999 ? '≫' : text, left + (k + 0.5) * wide, base - high - 4, {color: ink.soft, align: 'center', size: 10});
      write(pen, `y${k + 1}`, left + (k + 0.5) * wide, base + 14, {color: ink.soft, align: 'center', size: 11});
    });
    path(pen, [[left, base], [left + room - 14, base]], ink.line, 1);
  });
  bars.setAttribute('aria-label', 'The row of CX: ' + state.row.affinity.map((v, k) => `y${k + 1} ${percent(v)}`).join(', '));
}

drags(plane, (u, v, begins) => {
  const here = [clamp(u, 0.02, 0.98) * ACROSS, clamp(v, 0.03, 0.97)];
  if (begins) {
    const far = (p) => Math.hypot(p[0] - here[0], p[1] - here[1]);
    const near = state.targets.findIndex((t) => far(t) < 0.055);
    state.held = far(state.point) < 0.06 ? -1 : near;
  }
  if (state.held < 0) state.point = here;
  else state.targets[state.held] = here;
  draw();
  question(state.held >= 0);
});
arrows(plane, (dx, dy) => {
  state.point = [clamp(state.point[0] + 0.015 * dx, 0.02, 1.48), clamp(state.point[1] + 0.015 * dy, 0.03, 0.97)];
  draw();
  question(false);
});
slider.addEventListener('input', () => {
  state.h = Number(slider.value);
  find('.cxt-h output').textContent = slider.value;
  question(true);
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.go) { state.point = button.dataset.go.split(',').map(Number); draw(); question(false); }
  if (button?.dataset.save === 'json' && state.row) saveJson({h: state.h, point: state.point, targets: state.targets, ...state.row, field: undefined}, 'cxdemo-row.json');
  if (button?.dataset.save === 'png') picture();
});

function picture() {
  const sheet = document.createElement('canvas');
  [sheet.width, sheet.height] = [plane.width + bars.width, Math.max(plane.height, bars.height)];
  const pen = sheet.getContext('2d');
  pen.fillStyle = css('--block-background-fill');
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(plane, 0, 0);
  pen.drawImage(bars, plane.width, 0);
  sheet.toBlob((blob) => save(blob, 'cxdemo-row.png'));
}

watch('value', arrive);
redraws(draw);
question(true);
