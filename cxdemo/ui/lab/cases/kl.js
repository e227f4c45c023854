// Plays the moments that the server measured: the sets, -log CX and the estimated KL of each.
const slider = find('.cxt-scrub input'), play = find('.cxt-play');
const part = (name) => find(`[data-part=${name}]`);
const settings = () => ({shape: find('[data-set=shape]').value, move: find('[data-set=move]').value});
const state = {playing: false};

function arrive() {
  const value = props.value;
  if (value && value.problem) find('.cxt-told').textContent = value.sentence;
  if (!value || !value.losses) return;
  state.target = decode(value.target, Float32Array);
  state.points = decode(value.points, Float32Array);
  slider.max = value.losses.length - 1;
  slider.value = Math.round(value.losses.length / 3);
  say(find('.cxt-told'), value.sentence);
  draw();
}

function draw() {
  const value = props.value;
  if (!state.points || !value || !value.losses || !element.clientWidth) return;
  const at = Number(slider.value), ink = colors();
  cloud(at, ink, value);
  curves(at, ink, value);
  const unit = {shift: 'shift', spread: 'spread'}[find('[data-set=move]').value] || 'step';
  find('.cxt-scrub output').textContent = `${unit} ${number(value.amounts[at])}`;
  play.textContent = state.playing ? '\u275a\u275a' : '\u25b6';
}

function cloud(at, ink, value) {
  const {pen, width, height} = open(part('cloud'));
  const scale = Math.min(width, height) / 2.4, count = state.target.length / 2;
  const place = (values, k) => [width / 2 + scale * values[2 * k], height / 2 - scale * values[2 * k + 1]];
  const reach = 2.2 * value.width * scale;
  for (let k = 0; k < count; k++) {
    const [x, y] = place(state.points, at * count + k);
    const soft = pen.createRadialGradient(x, y, 0, x, y, reach);
    soft.addColorStop(0, `${ink.a}38`);
    soft.addColorStop(0.45, `${ink.a}16`);
    soft.addColorStop(1, `${ink.a}00`);
    pen.fillStyle = soft;
    pen.fillRect(x - reach, y - reach, 2 * reach, 2 * reach);
  }
  for (let k = 0; k < count; k++) dot(pen, ...place(state.target, k), 3.6, 'transparent', ink.b, 1.2);
  for (let k = 0; k < count; k++) dot(pen, ...place(state.points, at * count + k), 2, ink.a);
}

function curves(at, ink, value) {
  const {pen, width, height} = open(part('curves'));
  const x = (k) => 12 + ((width - 24) * k) / (value.losses.length - 1);
  path(pen, [[12, height - 26], [width - 12, height - 26]], ink.line, 1);
  const shown = [['KL', value.divergences, ink.c, [6, 4]], ['−log CX', value.losses, ink.a, []]];
  shown.forEach(([name, values, color, dash], line) => {
    const low = Math.min(0, ...values), most = Math.max(...values);
    const y = (v) => height - 26 - ((height - 64) * (v - low)) / (most - low || 1);
    path(pen, values.map((v, k) => [x(k), y(v)]), color, 2.5, dash);
    dot(pen, x(at), y(values[at]), 5, color, ink.paper);
    path(pen, [[14 + 150 * line, 12], [38 + 150 * line, 12]], color, 2.5, dash);
    write(pen, `${name} ${number(values[at])}`, 44 + 150 * line, 16, {color: ink.ink, weight: 600});
  });
  path(pen, [[x(at), 28], [x(at), height - 26]], ink.soft, 1, [3, 3]);
  write(pen, number(value.amounts[0], 2), 12, height - 9, {color: ink.soft});
  write(pen, number(value.amounts.at(-1)), width - 12, height - 9, {color: ink.soft, align: 'right'});
  part('curves').setAttribute('aria-label', `minus log CX ${number(value.losses[at])}, KL ${number(value.divergences[at])}; correlation ${value.correlation.toFixed(2)}`);
}

function tick() {
  if (!state.playing) return;
  slider.value = Number(slider.value) + 1;
  if (Number(slider.value) >= Number(slider.max)) state.playing = false;
  draw();
  setTimeout(() => requestAnimationFrame(tick), 60);
}
play.addEventListener('click', () => {
  state.playing = !state.playing;
  if (state.playing && slider.value === slider.max) slider.value = 0;
  draw();
  tick();
});
slider.addEventListener('input', () => { state.playing = false; draw(); });
element.addEventListener('change', (event) => { if (event.target.dataset.set) trigger('ask', settings()); });
element.addEventListener('click', (event) => {
  const wanted = event.target.closest('[data-save]')?.dataset.save, value = props.value;
  if (!wanted || !value || !value.losses) return;
  const {amounts, losses, divergences, correlation, rank, width} = value;
  if (wanted === 'json') saveJson({settings: {...settings(), kernel_width: width, h: 0.3}, amounts, losses, divergences, correlation, rank_correlation: rank}, 'cxdemo-kl.json');
  else {
    const [left, right] = [part('cloud'), part('curves')], sheet = document.createElement('canvas'), pen = sheet.getContext('2d');
    [sheet.width, sheet.height] = [left.width + right.width + 20, left.height];
    pen.fillStyle = css('--block-background-fill');
    pen.fillRect(0, 0, sheet.width, sheet.height);
    pen.drawImage(left, 0, 0);
    pen.drawImage(right, left.width + 20, 0);
    sheet.toBlob((blob) => save(blob, 'cxdemo-kl.png'));
  }
});
watch('value', arrive);
redraws(draw);
trigger('ask', settings());
