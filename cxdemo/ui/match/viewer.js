// Draws what the server computed: `props.scene` (two pictures, two grids), `props.value` (one row of
// distances and affinities) and `props.survey` (who wins each target). It computes no step of the
// loss: r and w are d and CX times one number of the server each.
// A click, a tap or an arrow key triggers "ask" with a place, as shares of width and height.

const SIDE = 640; // pixels of a picture's long side on its canvas
const HEIGHT = 290; // of both pictures on the page, at most
const SMALL = 420; // of a map's
const INK = '#10131A', ASKED = '#FFFFFF', POINTED = '#F0E442', WON = '#E2A63D';
const NUMBERED = ['#E69F00', '#56B4E9', '#009E73', '#F0E442', '#CC79A7'];
const asker = find('.cxm-asker canvas');
const maps = [...element.querySelectorAll('canvas[data-map]')];
const steps = maps.filter((canvas) => canvas.dataset.map !== 'pair');
const told = find('.cxm-told');
const state = {pointed: null, cell: null, colors: decode(props.palette, Uint8Array)};

// ------------------------------------------------------------------------------- what arrives

async function loadScene() {
  const scene = props.scene;
  if (!scene || !scene.asker) return;
  const [from, to] = await Promise.all([openPicture(scene.asker.url), openPicture(scene.asked.url)]);
  if (scene.key !== props.scene.key) return; // another scene came meanwhile
  Object.assign(state, {scene, from, to, grey: grey(to), pointed: null});
  find('.cxm-asker-name').textContent = scene.asker.title;
  find('.cxm-asked-name').textContent = scene.asked.title;
  asker.setAttribute('aria-label', `${scene.asker.title}: choose a patch with the arrow keys`);
  size(asker, from, SIDE);
  fitPair(from, to);
  for (const canvas of maps) {
    size(canvas, to, canvas.dataset.map === 'pair' ? SIDE : SMALL);
    canvas.setAttribute('aria-label', `${scene.asked.title}, ${canvas.dataset.map}`);
  }
  loadRow();
}

function loadRow() {
  const row = props.value;
  if (row && row.error) told.textContent = row.error;
  if (!row || !row.distance || !state.scene || row.scene !== state.scene.key) return;
  state.row = row;
  state.distance = decode(row.distance, Float32Array);
  state.affinity = decode(row.affinity, Float32Array);
  state.cell = row.cell;
  if (props.survey) loadSurvey();
  else draw();
  if (row.link) {
    const address = new URL(window.location.href);
    address.search = new URLSearchParams(row.link).toString();
    window.history.replaceState(null, '', address);
  }
}

function loadSurvey() {
  const survey = props.survey;
  const fits = survey && state.row && survey.key === state.row.key;
  state.winner = fits ? decode(survey.winner, Int32Array) : null;
  state.won = fits ? decode(survey.affinity, Float32Array) : null;
  draw();
}

function openPicture(url) {
  return new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = fail;
    image.src = url;
  });
}

function grey(image) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let k = 0; k < pixels.data.length; k += 4) {
    const [r, g, b] = pixels.data.subarray(k, k + 3);
    pixels.data.fill(0.299 * r + 0.587 * g + 0.114 * b, k, k + 3);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function fitPair(from, to) { // both at one height, together no wider than there is room
  for (const [name, image] of [['.cxm-asker', from], ['.cxm-asked', to]]) {
    find(name).style.flex = `0 1 ${Math.round((HEIGHT * image.width) / image.height)}px`;
  }
}

function size(canvas, image, longSide) {
  const scale = longSide / Math.max(image.width, image.height);
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
}

// ------------------------------------------------------------------------------------- drawing

function draw() {
  const {row, scene} = state;
  if (!row) return;
  const won = wins();
  drawAsker();
  for (const canvas of maps) drawMap(canvas, won);
  find('.cxm').classList.toggle('cxm-ready', true);
  tell(won);
}

function drawAsker() {
  const context = asker.getContext('2d');
  const grid = state.scene.asker.grid;
  context.drawImage(state.from, 0, 0, asker.width, asker.height);
  drawGrid(context, grid);
  box(context, grid, state.cell, ASKED);
  if (state.pointed !== null && state.winner) {
    box(context, grid, cellOf(state.winner[state.pointed], grid), POINTED);
  }
}

function drawMap(canvas, won) {
  const context = canvas.getContext('2d');
  const grid = state.scene.asked.grid;
  const kind = canvas.dataset.map;
  if (kind === 'pair') {
    context.drawImage(state.to, 0, 0, canvas.width, canvas.height);
    drawGrid(context, grid);
  } else {
    const {low, high} = state.row.scales[kind];
    context.drawImage(state.grey, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = find('.cxm-opacity').value / 100;
    context.imageSmoothingEnabled = false;
    const heat = heatMap(values(kind), grid[1], low, high, state.colors);
    context.drawImage(heat, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
    legend(canvas, kind);
  }
  if (kind === 'affinity') won.forEach((index) => outline(context, grid, cellOf(index, grid)));
  if (kind === 'pair' || kind === 'distance') {
    for (let k = state.row.top.length - 1; k >= 0; k--) {
      const label = kind === 'pair' ? String(k + 1) : '';
      box(context, grid, state.row.top[k], kind === 'pair' ? NUMBERED[k] : ASKED, label);
      if (kind === 'distance' && k === 0) break;
    }
  }
  if (state.pointed !== null) box(context, grid, cellOf(state.pointed, grid), POINTED);
}

function values(kind) {
  const {row, distance, affinity} = state;
  if (kind === 'distance') return distance;
  if (kind === 'affinity') return affinity;
  const factor = kind === 'relative' ? 1 / row.divisor : row.total;
  return (kind === 'relative' ? distance : affinity).map((value) => value * factor);
}

function legend(canvas, kind) {
  const scale = canvas.parentElement.querySelector('.cxm-scale');
  const [left, right] = scale.querySelectorAll('output');
  scale.querySelector('i').style.background = props.gradient;
  [left.textContent, right.textContent] = state.row.scales[kind].labels;
}

function drawGrid(context, [rows, columns]) {
  if (!find('.cxm-grid').checked) return;
  const {width, height} = context.canvas;
  const every = Math.max(1, Math.ceil((6 * columns) / width)); // lines closer than 6 pixels are fog
  context.beginPath();
  for (let c = every; c < columns; c += every) line(context, (c * width) / columns, 0, 0, height);
  for (let r = every; r < rows; r += every) line(context, 0, (r * height) / rows, width, 0);
  context.strokeStyle = 'rgba(255,255,255,.17)';
  context.lineWidth = 1;
  context.stroke();
}

function line(context, x, y, dx, dy) {
  context.moveTo(x, y);
  context.lineTo(x + dx, y + dy);
}

function frame(context, [rows, columns], [row, column], grown) {
  const {width, height} = context.canvas;
  return [
    (column * width) / columns - grown, (row * height) / rows - grown,
    width / columns + 2 * grown, height / rows + 2 * grown,
  ];
}

function box(context, grid, cell, color, label = '') {
  const small = context.canvas.width / grid[1] < 12;
  const grown = small ? 4 : 2;
  context.lineWidth = 5;
  context.strokeStyle = INK;
  context.strokeRect(...frame(context, grid, cell, grown));
  context.lineWidth = 2.5;
  context.strokeStyle = color;
  context.strokeRect(...frame(context, grid, cell, grown));
  if (!label) return;
  const [left, top] = frame(context, grid, cell, grown);
  const y = top > 24 ? top - 23 : top + frame(context, grid, cell, grown)[3] + 3;
  const x = Math.min(left - 1, context.canvas.width - 20);
  context.fillStyle = INK;
  context.fillRect(x - 1, y - 1, 20, 22);
  context.fillStyle = color;
  context.fillRect(x + 1, y + 1, 16, 18);
  context.fillStyle = INK;
  context.font = '700 15px system-ui, sans-serif';
  context.fillText(label, x + 5, y + 15.5);
}

function outline(context, grid, cell) {
  context.lineWidth = 2;
  context.strokeStyle = WON;
  context.strokeRect(...frame(context, grid, cell, 0.5));
}

// ------------------------------------------------------------------------------------ in words

function wins() {
  if (!state.winner) return [];
  const own = state.cell[0] * state.scene.asker.grid[1] + state.cell[1];
  const won = [];
  state.winner.forEach((index, target) => { if (index === own) won.push(target); });
  return won;
}

function tell(won) {
  const {row, scene} = state;
  if (state.pointed === null) {
    const count = state.winner ? `, and wins <b>${won.length}</b> of the ${scene.asked.title.toLowerCase()}'s ${state.winner.length} patches${won.length ? ' (framed in map 4)' : ': it plays no part in the loss, and gets no gradient'}` : '';
    say(told, `${row.sentence}${count}.`);
    if (row.notice) told.append(' ' + row.notice);
    return;
  }
  const [r, c] = cellOf(state.pointed, scene.asked.grid);
  const of = (kind) => values(kind)[state.pointed];
  let text = `<b>${scene.asked.title}, row ${r}, column ${c}</b>: d ${number(of('distance'))}, r ${number(of('relative'))}, ` +
    `w ${number(of('weight'))}, CX ${percent(of('affinity'), 3)}.`;
  if (state.winner) {
    const [wr, wc] = cellOf(state.winner[state.pointed], scene.asker.grid);
    text += ` Of all patches, the one at row ${wr}, column ${wc} (yellow, left) wants it most: CX ${percent(state.won[state.pointed], 3)}.`;
  }
  say(told, text);
}

const cellOf = (index, [, columns]) => [Math.floor(index / columns), index % columns];

// ------------------------------------------------------------------------------ what people do

function cellUnder(event, canvas, [rows, columns]) {
  const area = canvas.getBoundingClientRect();
  const index = (share, count) => clamp(Math.floor(share * count), 0, count - 1);
  return [
    index((event.clientY - area.top) / area.height, rows),
    index((event.clientX - area.left) / area.width, columns),
  ];
}

function ask(cell) {
  const [rows, columns] = state.scene.asker.grid;
  const row = clamp(cell[0], 0, rows - 1), column = clamp(cell[1], 0, columns - 1);
  state.cell = [row, column];
  state.pointed = null;
  drawAsker();
  trigger('ask', {x: (column + 0.5) / columns, y: (row + 0.5) / rows});
}

let dragging = false;
asker.addEventListener('pointerdown', (event) => {
  if (!state.row) return;
  asker.focus({preventScroll: true});
  dragging = event.pointerType === 'mouse';
  ask(cellUnder(event, asker, state.scene.asker.grid));
});
asker.addEventListener('pointermove', (event) => {
  if (!dragging || !(event.buttons & 1)) return;
  const cell = cellUnder(event, asker, state.scene.asker.grid);
  if (cell.join() !== state.cell.join()) ask(cell);
});
asker.addEventListener('pointerup', () => { dragging = false; });
asker.addEventListener('keydown', (event) => {
  const cell = stepped(event, state.cell);
  if (cell) ask(cell);
});
maps[0].addEventListener('keydown', (event) => {
  const grid = state.scene?.asked.grid;
  const from = state.pointed === null ? state.row?.top[0] : cellOf(state.pointed, grid);
  const cell = stepped(event, from);
  if (!cell) return;
  const [row, column] = cell.map((value, axis) => clamp(value, 0, grid[axis] - 1));
  state.pointed = row * grid[1] + column;
  draw();
});
maps[0].addEventListener('blur', () => { state.pointed = null; draw(); });

function stepped(event, cell) { // where an arrow key leads; with Shift four cells on
  const move = state.row && arrowOf(event, 4);
  return move && [cell[0] + move[1], cell[1] + move[0]];
}

for (const canvas of maps) {
  const point = (event) => {
    if (!state.row) return;
    const [row, column] = cellUnder(event, canvas, state.scene.asked.grid);
    const index = row * state.scene.asked.grid[1] + column;
    if (index !== state.pointed) { state.pointed = index; draw(); }
  };
  canvas.addEventListener('pointermove', point);
  canvas.addEventListener('pointerdown', point);
  canvas.addEventListener('pointerleave', (event) => {
    if (event.pointerType === 'mouse') { state.pointed = null; draw(); }
  });
}
find('.cxm-opacity').addEventListener('input', draw);
find('.cxm-grid').addEventListener('change', draw);
element.addEventListener('click', (event) => {
  const wanted = event.target.closest('[data-save]');
  if (wanted && state.row) download(wanted.dataset.save);
  if (event.target.closest('.cxm-link')) copyLink(event.target);
  if (event.target.closest('.cxm-json') && state.row) saveReport();
});

function download(kind) {
  const from = kind === 'pair' ? [asker, maps[0]] : [maps.find((m) => m.dataset.map === kind)];
  const sheet = document.createElement('canvas');
  sheet.width = from.reduce((sum, canvas) => sum + canvas.width, 0);
  sheet.height = Math.max(...from.map((canvas) => canvas.height));
  let left = 0;
  for (const canvas of from) {
    sheet.getContext('2d').drawImage(canvas, left, 0);
    left += canvas.width;
  }
  sheet.toBlob((blob) => save(blob, `cxdemo-${kind}.png`));
}

function saveReport() {
  const survey = state.winner ? props.survey.report : {};
  saveJson({...state.row.report, ...survey}, 'cxdemo-match.json');
}

async function copyLink(button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(window.location.href);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Copy the address of this page';
  }
  setTimeout(() => { button.textContent = before; }, 1800);
}

watch('scene', loadScene);
watch('value', loadRow);
watch('survey', loadSurvey);
trigger('arrive', {search: window.location.search});
