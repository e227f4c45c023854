// Shows what the server computed at each weight w; the slider only chooses among them.
const slider = find('.cxt-weight input');
const part = (name) => find(`[data-part=${name}]`);
const settings = () => ({picture: find('[data-set=picture]').value, shift: Number(find('[data-set=shift]').value)});

function draw() {
  const value = props.value;
  if (!value || !value.steps || !element.clientWidth) return;
  const at = Number(slider.value), step = value.steps[at];
  part('x').src = value.x;
  part('y').src = value.y;
  part('redrawn').src = step.url;
  find('.cxt-weight output').textContent = number(step.weight);
  chart('voted', value.steps.map((s) => s.voted), at, value.perceptual);
  chart('loss', value.steps.map((s) => s.loss), at, null);
  const share = step.own > 0.995 ? (100 * step.own).toFixed(1) + ' %' : percent(step.own);
  say(find('.cxt-told'), `At w = ${number(step.weight)} the own position gets <b>${share}</b> of the vote. What x votes for differs by ` +
    `E<sub>w</sub> = <b>${step.voted.toFixed(3)}</b>, the perceptual loss (cosine, VGG conv3_2) is <b>${value.perceptual.toFixed(3)}</b>; ` +
    `&minus;log CX = <b>${step.loss.toFixed(4)}</b>. ` +
    (at === 0 ? 'Without place, x is found again in its copy: almost no difference.' : at >= 9 ? 'Now x votes for the pixel below it, right or wrong, and CX sees nothing amiss.' : ''));
}

function chart(name, values, at, limit) {
  const {pen, width, height} = open(part(name)), ink = colors();
  const most = Math.max(...values, limit || 0, 0.01), color = name === 'loss' ? ink.b : ink.a;
  const x = (k) => 38 + ((width - 52) * k) / (values.length - 1), y = (v) => height - 34 - ((height - 50) * v) / most;
  for (const v of [0, most / 2, most]) {
    path(pen, [[38, y(v)], [width - 14, y(v)]], ink.line, 1);
    write(pen, number(v, 2), 33, y(v) + 4, {color: ink.soft, align: 'right', size: 11});
  }
  props.value.steps.forEach((step, k) => { if (k % 2 === 0) write(pen, step.weight, x(k), height - 18, {color: ink.soft, align: 'center', size: 11}); });
  write(pen, 'w', width / 2, height - 3, {color: ink.soft, align: 'center'});
  if (limit !== null) path(pen, [[38, y(limit)], [width - 14, y(limit)]], ink.b, 2, [6, 4]);
  path(pen, values.map((v, k) => [x(k), y(v)]), color, 2.5);
  values.forEach((v, k) => dot(pen, x(k), y(v), k === at ? 6 : 3, color, ink.paper));
  part(name).setAttribute('aria-label', `${name === 'loss' ? 'The loss' : 'What x votes for'}: ${number(values[at])} at w ${props.value.steps[at].weight}`);
}

element.addEventListener('change', (event) => { if (event.target.dataset.set) trigger('ask', settings()); });
slider.addEventListener('input', draw);
element.addEventListener('click', (event) => {
  const wanted = event.target.closest('[data-save]')?.dataset.save, value = props.value;
  if (!wanted || !value || !value.steps) return;
  if (wanted === 'json') saveJson({settings: settings(), perceptual: value.perceptual, steps: value.steps.map(({url, ...step}) => step)}, 'cxdemo-place.json');
  else picture();
});

function picture() {
  const sheet = document.createElement('canvas'), side = 360, pen = sheet.getContext('2d');
  [sheet.width, sheet.height] = [3 * side, side + 250];
  pen.fillStyle = css('--block-background-fill');
  pen.fillRect(0, 0, sheet.width, sheet.height);
  ['x', 'redrawn', 'y'].forEach((name, k) => pen.drawImage(part(name), k * side + 4, 4, side - 8, side - 8));
  ['voted', 'loss'].forEach((name, k) => pen.drawImage(part(name), 1.5 * side * k, side + 10, 1.5 * side, 230));
  sheet.toBlob((blob) => save(blob, 'cxdemo-place.png'));
}

watch('value', () => { if (props.value?.problem) find('.cxt-told').textContent = props.value.sentence; draw(); });
redraws(draw);
trigger('ask', settings());
