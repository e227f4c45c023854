// The lesson's frame: which step is shown, in which language, the question before the answer, keys,
// the address. The pictures are in steps.js, the equations in math.js.
const {texts, numbers, pictures, sizes, links, exercises, notebook} = props.lesson;
const find = (selector) => element.querySelector(selector);
const address = window.cxAddress;
const stage = find('.cxs-picture'), still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
const STEPS = ['shift', 'eye', 'context', 'bandwidth', 'matrix', 'place', 'fails'], LAST = STEPS.length + 1;
const show = {step: 1, lang: 'en', answered: {}, tall: false, width: 0};

// ---- words

const percent = (v) => `${v > 0.985 && v < 0.9995 ? (100 * v).toFixed(1) : Math.round(100 * v)} %`;
const short = (v, digits = 2) => (Math.abs(v) < 0.5 * 10 ** -digits ? 0 : v).toFixed(digits);
const plain = (key) => texts[show.lang][key] ?? texts.en[key] ?? '';
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
const say = (key, values = {}) => fill(plain(key), values)
  .replace(/\[\[(\w+):(.*?)\]\]/g, '<span class="cxs-word" tabindex="0" data-names="$1">$2</span>');
const bare = (key, values = {}) => fill(plain(key), values).replace(/\[\[\w+:(.*?)\]\]/g, '$1');

function choose() { // the browser's language, unless the address or an earlier choice says another
  const asked = window.cxLanguage.get();
  show.lang = asked === 'zh' ? 'zh-CN' : 'en';
}

// ---- drawing

const make = (tag, attributes = {}, inside = '') =>
  `<${tag} ${Object.entries(attributes).map(([k, v]) => `${k}="${v}"`).join(' ')}>${inside}</${tag}>`;
const label = (x, y, text, attributes = {}) => make('text', {x, y, ...attributes}, text);
const line = (x1, y1, x2, y2, attributes = {}) => make('line', {x1, y1, x2, y2, ...attributes});
const rect = (x, y, width, height, attributes = {}) => make('rect', {x, y, width, height, ...attributes});
const round = (cx, cy, r, attributes = {}) => make('circle', {cx, cy, r, ...attributes});
const photo = (name, x, y, size, part, view = [0, 0, 1, 1]) => make('svg',
  {x, y, width: size, height: size, viewBox: view.join(' '), preserveAspectRatio: 'none', 'data-part': part, 'data-photo': part},
  make('image', {href: pictures[name], x: 0, y: 0, width: 1, height: 1, preserveAspectRatio: 'none'}));
const layer = (name, html) => { stage.querySelector(`[data-layer=${name}]`).innerHTML = html; };
const scene = () => scenes[STEPS[show.step - 1]];
const told = () => show.answered[show.step] !== undefined;

function drawBack() {
  const current = scene();
  if (!current) return;
  show.tall = element.clientWidth < 640;
  const [width, height] = show.tall ? [420, current.tall || 400] : [1000, 336];
  stage.setAttribute('viewBox', `0 0 ${width} ${height}`);
  stage.dataset.step = STEPS[show.step - 1];
  stage.setAttribute('aria-label', plain(`${STEPS[show.step - 1]}.title`));
  layer('back', current.back());
  drawFront();
}

function drawFront() {
  const current = scene();
  if (!current) return;
  layer('front', current.front());
  const talk = current.talk();
  find('.cxs-say').innerHTML = talk.say;
  find('.cxs-told').innerHTML = told() ? `${verdict()} ${talk.told}` : '';
  find('.cxs-note').innerHTML = told() ? talk.note || '' : '';
}

function verdict() {
  const right = show.answered[show.step];
  return right === null || scene().past?.() ? '' : `<b class="${right ? 'cxs-right' : 'cxs-wrong'}">${plain(right ? 'right' : 'wrong')}</b>`;
}

// ---- a step

function open(step, {push = true, focus = false} = {}) {
  show.step = Math.min(LAST, Math.max(1, step));
  const name = STEPS[show.step - 1], last = show.step === LAST;
  stopMotion();
  find('.cxs-head h2').innerHTML = plain(`${name || 'end'}.title`);
  find('.cxs-dots').innerHTML = STEPS.map((_, k) => `<i class="${k + 1 < show.step ? 'past' : k + 1 === show.step ? 'here' : ''}"></i>`).join('');
  find('.cxs-dots').setAttribute('aria-label', fill(plain('step'), {n: Math.min(show.step, STEPS.length), total: STEPS.length}));
  find('.cxs-body').hidden = last;
  find('.cxs-end').hidden = !last;
  find('.cxs-back').hidden = show.step === 1;
  find('.cxs-back').textContent = plain('back');
  find('.cxs-print').textContent = plain('print');
  find('.cxs-print').hidden = last || !told();
  find('.cxs-next').textContent = plain(last ? 'again' : show.step === STEPS.length ? 'finish' : 'next');
  element.querySelector('.cxs').setAttribute('aria-label', plain('lesson'));
  if (last) { find('.cxs-end').innerHTML = showEnd(); } else { drawBack(); drawQuestion(); drawControl(); }
  if (push && isHere()) address.write({tour: show.step === 1 ? null : show.step}, {push: true});
  if (focus) find('.cxs-next').focus({preventScroll: true});
  if (!last && scene().needs && !matrices) fetchMatrices();
}

function drawQuestion() {
  const current = scene(), name = STEPS[show.step - 1], box = find('.cxs-ask');
  box.dataset.many = Boolean(current.options);
  if (told()) { box.innerHTML = ''; return; }
  const options = current.options ? current.options() : ['a1', 'a2', 'a3'].map((key) => bare(`${name}.${key}`, current.talk().values));
  box.innerHTML = `<p><b>${plain('guess')}</b> ${say(`${name}.ask`, current.talk().values)}</p><div>` +
    options.map((text, k) => `<button type="button" data-answer="${k}">${text}</button>`).join('') + '</div>';
}

function drawControl() {
  const current = scene(), box = find('.cxs-control');
  box.innerHTML = told() ? current.control() : '';
}

function answer(k) {
  const current = scene();
  show.answered[show.step] = current.isRight(k);
  find('.cxs-print').hidden = false;
  drawQuestion();
  drawControl();
  current.reveal();
  drawFront();
  (find('.cxs-control input') || find('.cxs-next')).focus({preventScroll: true});
}

const slider = (key, min, max, step, value, said) =>
  `<label>${plain(key)} <input type="range" min="${min}" max="${max}" step="${step}" value="${value}"><output>${said}</output></label>`;
const pills = (key, choices, chosen) => `<div class="cxs-pills" role="group" aria-label="${plain(key)}"><span>${plain(key)}</span>` +
  choices.map(([value, text]) => `<button type="button" data-choice="${value}" aria-pressed="${value === chosen}">${text}</button>`).join('') + '</div>';

function setSlider(value, said) {
  const input = find('.cxs-control input');
  if (!input) return;
  input.value = value;
  input.setAttribute('aria-valuetext', said);
  find('.cxs-control output').textContent = said;
}

// ---- motion

let motion = 0;
function stopMotion() { cancelAnimationFrame(motion); motion = 0; }
function glide(from, to, seconds, move) { // move(value) on the way; at once where motion is unwanted
  stopMotion();
  if (still || document.body.classList.contains('cx-still')) { move(to); return; }
  const start = performance.now();
  const next = (now) => {
    const t = Math.min(1, Math.max(0, (now - start) / (1000 * seconds))), eased = t * t * (3 - 2 * t);
    move(from + (to - from) * eased);
    if (t < 1) motion = requestAnimationFrame(next);
  };
  motion = requestAnimationFrame(next);
}

// ---- numbers that are fetched

let matrices = null, fetching = null;
function fetchMatrices() {
  fetching ??= fetch(props.lesson.distances).then((r) => (r.ok ? r.arrayBuffer() : Promise.reject(new Error(r.status))))
    .then((buffer) => { matrices = readMatrices(buffer, sizes); if (scene()?.needs) { drawBack(); drawControl(); } })
    .catch(() => { fetching = null; if (scene()?.needs) find('.cxs-say').textContent = plain('failed'); });
  return fetching;
}

// ---- events

const isHere = () => element.offsetParent !== null;

element.addEventListener('click', (event) => {
  const button = event.target.closest('button, a');
  if (!button) return;
  if (button.dataset.answer) answer(Number(button.dataset.answer));
  else if (button.dataset.choice) { scene().choose(button.dataset.choice); drawControl(); drawBack(); find(`[data-choice="${button.dataset.choice}"]`)?.focus({preventScroll: true}); }
  else if (button.matches('.cxs-next')) open(show.step === LAST ? 1 : show.step + 1, {focus: true});
  else if (button.matches('.cxs-back')) open(show.step - 1, {focus: true});
  else if (button.matches('.cxs-print')) window.print();
  else if (button.matches('.cxs-present')) present(!document.body.classList.contains('cx-present'));
  else if (button.dataset.go) { event.preventDefault(); address.go(button.getAttribute('href')); }
});
element.addEventListener('input', (event) => {
  if (event.target.type !== 'range') return;
  stopMotion();
  scene().slide(Number(event.target.value));
  drawFront();
});

function pointed(event) { // where in the picture, in its own units
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(stage.getScreenCTM().inverse());
  return [at.x, at.y];
}
stage.addEventListener('pointerdown', (event) => {
  const current = scene();
  if (!told() || !current?.grab || !current.grab(...pointed(event), true)) return;
  event.preventDefault();
  stopMotion();
  stage.setPointerCapture(event.pointerId);
  drawFront();
});
stage.addEventListener('pointermove', (event) => {
  if (stage.hasPointerCapture(event.pointerId) && scene()?.grab(...pointed(event), false)) drawFront();
});

function light(names) {
  stage.classList.toggle('cxs-dim', Boolean(names));
  stage.querySelectorAll('[data-part]').forEach((part) =>
    part.classList.toggle('cxs-lit', Boolean(names) && part.dataset.part.split(' ').includes(names)));
}
for (const [on, off] of [['pointerover', 'pointerout'], ['focusin', 'focusout']]) {
  element.addEventListener(on, (event) => { const word = event.target.closest?.('.cxs-word'); if (word) light(word.dataset.names); });
  element.addEventListener(off, (event) => { if (event.target.closest?.('.cxs-word')) light(null); });
}

document.addEventListener('keydown', (event) => {
  if (!element.isConnected || !isHere() || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest?.('input, textarea, select, [role=tablist], [contenteditable]')) return;
  if (event.key === 'Escape' && document.body.classList.contains('cx-present')) present(false);
  const inPicture = event.target.closest?.('.cxs-picture');
  const move = {ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1}[event.key];
  if (inPicture && told() && scene()?.nudge && event.key.startsWith('Arrow')) {
    event.preventDefault();
    scene().nudge(...{ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key]);
    drawFront();
  } else if (move) { event.preventDefault(); open(show.step + move, {focus: true}); }
});

function present(on) {
  document.body.classList.toggle('cx-present', on);
  address.write({present: on ? 1 : null}, {push: false});
  open(show.step, {push: false});
}

function follow() { // what the address asks for
  const asked = address.read();
  const step = Number(asked.get('tour')) || 1;
  document.body.classList.toggle('cx-present', asked.get('present') === '1' && (!asked.get('tab') || asked.get('tab') === 'start-here'));
  choose();
  open(step, {push: false});
}

window.addEventListener('cx-address', follow);
window.addEventListener('cx-language', () => { choose(); open(show.step, {push: false}); });
new ResizeObserver(() => {
  const width = Math.round(element.clientWidth);
  if (!width || width === show.width) return;
  show.width = width;
  if (show.step < LAST) drawBack();
}).observe(element);

function showEnd() {
  const row = ([name, link]) => `<tr><th scope="row">${plain(`table.${name}`)}</th>` +
    ['pairs', 'before', 'paper', 'ours'].map((part) => `<td>${plain(`table.${name}.${part}`)}</td>`).join('') +
    `<td><a href="${link}" data-go="1" aria-label="${plain('end.see')}: ${plain(`table.${name}`)}">${plain('end.see')}</a></td></tr>`;
  const heads = ['application', 'pairs', 'before', 'paper', 'ours', 'see'].map((h) => `<th scope="col">${plain(`end.${h}`)}</th>`).join('');
  return `<p>${plain('end.say')}</p><div class="cxs-table"><table><caption>${plain('end.table')}</caption><thead><tr>${heads}</tr></thead>` +
    `<tbody>${Object.entries(links).map(row).join('')}</tbody></table></div>` +
    `<details><summary>${plain('end.six')}</summary><ul>${['h', 'contextual', 'aligned', 'maxmean', 'special', 'fails'].map((k) => `<li>${plain(`end.${k}`)}</li>`).join('')}</ul></details>` +
    `<p class="cxs-class"><b>${plain('end.more')}</b> <a href="${exercises}?lang=${show.lang === 'en' ? 'en' : 'zh'}" target="_blank">${plain('end.exercises')}</a>` +
    `<a href="${notebook}" download>${plain('end.notebook')}</a><button type="button" class="cxs-present">${plain(document.body.classList.contains('cx-present') ? 'leave' : 'present')}</button></p>`;
}

follow();
if ('requestIdleCallback' in window) requestIdleCallback(fetchMatrices); else setTimeout(fetchMatrices, 300);
