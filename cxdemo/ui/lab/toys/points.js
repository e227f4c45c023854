// Plays the frames that the server computed: positions of the points under three losses.
const LOSSES = ['nearest', 'chamfer', 'cx'];
const canvas = (name) => find(`canvas[data-loss=${name}]`);
const slider = find('.cxt-scrub input'), play = find('.cxt-play');
const state = {at: 0, playing: false};

function settings() {
  const chosen = {};
  element.querySelectorAll('[data-set]').forEach((control) => {
    const text = control.value;
    chosen[control.dataset.set] = control.dataset.set === 'bandwidth' || control.dataset.set === 'seed' ? Number(text) : text;
  });
  return chosen;
}

function ask() {
  element.classList.add('cxt-busy');
  trigger('ask', settings());
}

function arrive() {
  const run = props.value;
  if (run && run.problem) find('.cxt-told').textContent = run.sentence;
  if (!run || !run.target) return;
  element.classList.remove('cxt-busy');
  state.run = run;
  state.target = decode(run.target, Float32Array);
  state.moved = Object.fromEntries(LOSSES.map((name) => [name, decode(run.positions[name], Float32Array)]));
  slider.max = run.steps.length - 1;
  say(find('.cxt-told'), run.sentence);
  state.at = still ? run.steps.length - 1 : 0;
  state.playing = !still;
  state.began = null;
  draw();
  requestAnimationFrame(tick);
}

function tick(now) {
  if (!state.playing || !state.run) return;
  state.began ??= now - state.at * 70;
  const last = state.run.steps.length - 1;
  state.at = Math.min(last, (now - state.began) / 70);
  if (state.at >= last) state.playing = false;
  if (element.clientWidth) draw();
  requestAnimationFrame(tick);
}

function draw() {
  if (!state.run || !element.clientWidth) return;
  const ink = colors(), tone = {nearest: ink.b, chamfer: ink.e, cx: ink.a};
  const whole = Math.round(state.at);
  for (const name of LOSSES) panel(name, tone[name], ink, whole);
  curve(tone, ink);
  slider.value = whole;
  find('.cxt-scrub output').textContent = `step ${state.run.steps[whole]}`;
  play.textContent = state.playing ? '\u275a\u275a' : '\u25b6';
}

function panel(name, color, ink, whole) {
  const {pen, width, height} = open(canvas(name));
  const scale = Math.min(width, height) / 2.3;
  const place = (values, k) => [width / 2 + scale * values[2 * k], height / 2 - scale * values[2 * k + 1]];
  const count = state.target.length / 2, moved = state.moved[name];
  const low = Math.floor(state.at), high = Math.min(state.run.steps.length - 1, low + 1), share = state.at - low;
  const now = moved.slice(2 * count * low, 2 * count * (low + 1)).map((v, k) => v + share * (moved[2 * count * high + k] - v));
  for (let k = 0; k < count; k++) dot(pen, ...place(state.target, k), 4, 'transparent', ink.soft, 1);
  pen.globalAlpha = 0.3;
  const trail = Math.max(0, low - 6);
  for (let k = 0; k < count; k++) {
    const places = [];
    for (let t = trail; t <= low; t++) places.push(place(moved, t * count + k));
    places.push(place(now, k));
    path(pen, places, color, 1);
  }
  pen.globalAlpha = 0.85;
  for (let k = 0; k < count; k++) dot(pen, ...place(now, k), 3, color, ink.paper, 0.8);
  pen.globalAlpha = 1;
  const distinct = state.run.distinct[name][whole];
  const output = canvas(name).parentElement.querySelector('output');
  output.textContent = `${percent(distinct)} of the targets claimed`;
  canvas(name).setAttribute('aria-label', `Points at step ${state.run.steps[whole]}, ${percent(distinct)} of the targets claimed`);
}

function curve(tone, ink) {
  const {pen, width, height} = open(canvas('curve'));
  const x = (k) => 38 + ((width - 50) * k) / (state.run.steps.length - 1), y = (v) => 10 + (height - 30) * (1 - v);
  for (const v of [0, 0.5, 1]) {
    path(pen, [[38, y(v)], [width - 12, y(v)]], ink.line, 1);
    write(pen, `${100 * v} %`, 33, y(v) + 4, {color: ink.soft, align: 'right'});
  }
  for (const name of LOSSES) path(pen, state.run.distinct[name].map((v, k) => [x(k), y(v)]), tone[name], 2);
  path(pen, [[x(state.at), 8], [x(state.at), height - 20]], ink.ink, 1, [3, 3]);
  for (const name of LOSSES) {
    const line = state.run.distinct[name], k = Math.round(state.at);
    dot(pen, x(state.at), y(line[k]), 4, tone[name], ink.paper);
  }
  write(pen, '0', x(0), height - 5, {color: ink.soft, align: 'center'});
  write(pen, `${state.run.steps.at(-1)} steps`, width - 12, height - 5, {color: ink.soft, align: 'right'});
}

play.addEventListener('click', () => {
  if (!state.run) return;
  state.playing = !state.playing;
  if (state.playing && state.at >= state.run.steps.length - 1) state.at = 0;
  state.began = null;
  draw();
  requestAnimationFrame(tick);
});
slider.addEventListener('input', () => { state.playing = false; state.at = Number(slider.value); draw(); });
element.addEventListener('change', (event) => { if (event.target.dataset.set) ask(); });
element.addEventListener('click', (event) => {
  if (event.target.closest('.cxt-again')) { const seed = find('[data-set=seed]'); seed.value = Number(seed.value) + 1; ask(); }
  const wanted = event.target.closest('[data-save]');
  if (wanted && state.run) trigger('save', {kind: wanted.dataset.save, ...settings()});
});
watch('value', arrive);
watch('file', () => saveFile(props.file));
redraws(draw);
ask();
