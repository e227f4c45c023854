// The seven pictures. Each scene: back() is drawn once for a size, front() at every change, talk()
// says what is seen in numbers that are on the screen, reveal() shows the answer.
const TONES = ['a', 'b', 'c', 'd', 'e', 'f'];
const tone = (k) => `var(--cx-${TONES[k]})`;
const clampTo = (v, low, high) => Math.min(high, Math.max(low, v));
const SIDE = 14, cellName = (k) => [k % SIDE, Math.floor(k / SIDE)];

const pairPlaces = () => (show.tall ? {size: 200, left: [4, 24], right: [216, 24]} : {size: 306, left: [120, 26], right: [574, 26]});
function cellBox(place, size, cell, side = SIDE) {
  const unit = size / side;
  return [place[0] + (cell % side) * unit, place[1] + Math.floor(cell / side) * unit, unit];
}
function cellAt(place, size, x, y, side = SIDE) {
  const column = Math.floor(((x - place[0]) / size) * side), row = Math.floor(((y - place[1]) / size) * side);
  return column < 0 || row < 0 || column >= side || row >= side ? -1 : row * side + column;
}
const frame = (place, size, cell, part, color, side = SIDE) => {
  const [x, y, unit] = cellBox(place, size, cell, side);
  return rect(x, y, unit, unit, {class: 'cxs-frame', style: `stroke:${color}`, 'data-part': part});
};
const middle = (place, size, cell, side = SIDE) => { const [x, y, u] = cellBox(place, size, cell, side); return [x + u / 2, y + u / 2]; };
function heat(place, size, shares, side = SIDE, part = 'votes') { // the more of the vote, the less veil
  const most = Math.max(...shares);
  return make('g', {'data-part': part}, shares.map((share, k) => {
    const [x, y, unit] = cellBox(place, size, k, side);
    return rect(x, y, unit, unit, {class: 'cxs-veil', 'fill-opacity': (0.68 * (1 - Math.sqrt(share / most))).toFixed(3)});
  }).join(''));
}
const best = (shares) => shares.indexOf(Math.max(...shares));
const ranked = (shares) => shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]);

// ---- 1: shift

const EDGE = 24 / 128, CROP = 80 / 128; // of what the meter sees
const shiftScene = {
  shift: 0, tall: 376,
  at() { const k = Math.abs(this.shift) % 1 ? null : this.shift + 16; return k === null ? this.between() : {l1: numbers.shift.l1[k], cx: numbers.shift.cx[k]}; },
  between() {
    const low = Math.floor(this.shift) + 16, t = this.shift + 16 - low, mix = (v) => v[low] * (1 - t) + v[low + 1] * t;
    return {l1: mix(numbers.shift.l1), cx: mix(numbers.shift.cx)};
  },
  places() { return show.tall ? {size: 196, a: [6, 22], b: [218, 22], bar: [70, 252, 300]} : {size: 300, a: [30, 28], b: [350, 28], bar: [730, 120, 240]}; },
  back() {
    const {size, a, b, bar: [x, y, wide]} = this.places();
    const meter = (name, k) => label(x - 8, y + 17 + 62 * k, name === 'l1' ? 'L1' : 'CX', {class: 'cxs-strong', 'text-anchor': 'end'}) +
      rect(x, y + 62 * k, wide, 24, {class: 'cxs-track', rx: 4});
    return photo('cat', ...a, size, 'original', [EDGE, EDGE, CROP, CROP]) + photo('cat', ...b, size, 'copy', [EDGE, EDGE, CROP, CROP]) +
      label(a[0], a[1] - 8, plain('shift.original')) + label(b[0], b[1] - 8, plain('shift.copy')) +
      make('g', {'data-part': 'meters'}, meter('l1', 0) + meter('cx', 1) + label(x, y - 8, `0: ${plain('shift.zero')}`, {class: 'cxs-small'}) +
        label(x + wide, y - 8, `1: ${plain('shift.one')}`, {class: 'cxs-small', 'text-anchor': 'end'}));
  },
  front() {
    const {bar: [x, y, wide]} = this.places(), read = this.at();
    const copy = stage.querySelector('[data-photo=copy]');
    if (copy) copy.setAttribute('viewBox', `${EDGE + this.shift / 128} ${EDGE} ${CROP} ${CROP}`);
    return ['l1', 'cx'].map((name, k) => make('g', {'data-part': `${name} meters`}, rect(x, y + 62 * k, Math.max(2, wide * Math.min(1, read[name])), 24, {rx: 4, class: name === 'l1' ? 'cxs-bar-b' : 'cxs-bar-a'}) +
      label(x, y + 42 + 62 * k, short(read[name]), {class: 'cxs-number'}))).join('');
  },
  talk() {
    const read = this.at(), values = {shift: Math.round(this.shift), l1: short(read.l1), cx: short(read.cx)};
    return {values, say: say('shift.say'), told: say('shift.told', values), note: say('shift.note')};
  },
  isRight: (k) => k === 1,
  reveal() { glide(0, 8, 1.2, (v) => { this.shift = v === 8 ? 8 : v; setSlider(Math.round(v), Math.round(v)); drawFront(); }); },
  control() { return slider('shift.control', -16, 16, 1, Math.round(this.shift), Math.round(this.shift)); },
  slide(v) { this.shift = v; setSlider(v, v); },
  grab(x, y, begins) {
    const {size, b} = this.places();
    if (begins) {
      if (x < b[0] || x > b[0] + size || y < b[1] || y > b[1] + size) return false;
      this.held = [x, this.shift];
    }
    this.slide(clampTo(Math.round(this.held[1] - ((x - this.held[0]) / size) * 80), -16, 16));
    return true;
  },
};

// ---- 2: an eye finds an eye; 4: the bandwidth

const EYE = 6 * SIDE + 5;
const eyeScene = {
  cell: EYE, layer: 'conv5_1', needs: true, tall: 260,
  row() { return affinityOf(matrices[`faces_${this.layer}`][this.cell], 0.1); },
  back() {
    const {size, left, right} = pairPlaces();
    return photo('einstein', ...left, size, 'left') + photo('monalisa', ...right, size, 'right') +
      label(left[0], left[1] - 8, plain('eye.left')) + label(right[0], right[1] - 8, plain('eye.right'));
  },
  front() {
    const {size, left, right} = pairPlaces();
    let html = frame(left, size, this.cell, 'patch', 'var(--cxs-gold)');
    if (!told() || !matrices) return html;
    const shares = this.row(), top = ranked(shares).slice(0, 5), [x, y] = middle(left, size, this.cell);
    html += heat(right, size, shares, SIDE, 'veil');
    html += make('g', {'data-part': 'lines'}, top.slice().reverse().map((k) => {
      const [u, v] = middle(right, size, k);
      return make('path', {d: `M${x} ${y} C${(x + u) / 2} ${y} ${(x + u) / 2} ${v} ${u} ${v}`, class: 'cxs-link', 'stroke-width': (1 + 9 * shares[k]).toFixed(1)});
    }).join(''));
    return html + frame(right, size, top[0], 'found lines', 'var(--cxs-gold)');
  },
  talk() {
    const values = {layer: this.layer};
    if (matrices) values.share = percent(Math.max(...this.row()));
    values.meaning = plain(`eye.${this.layer}`);
    return {values, say: say('eye.say'), told: say('eye.told', values)};
  },
  isRight: (k) => k === 1,
  reveal() {},
  control() { return pills('eye.control', ['conv1_2', 'conv3_2', 'conv5_1'].map((name) => [name, name]), this.layer); },
  choose(layer) { this.layer = layer; },
  grab(x, y) {
    const {size, left} = pairPlaces(), cell = cellAt(left, size, x, y);
    if (cell >= 0) this.cell = cell;
    return cell >= 0;
  },
  nudge(dx, dy) {
    const [column, row] = cellName(this.cell);
    this.cell = clampTo(row + dy, 0, SIDE - 1) * SIDE + clampTo(column + dx, 0, SIDE - 1);
  },
};

const toH = (v) => Number((10 ** v).toPrecision(2)); // the slider is logarithmic
const bandwidthScene = {
  h: 0.1, needs: true, tall: 360,
  row() { return affinityOf(matrices.faces_conv5_1[EYE], this.h); },
  places() { return show.tall ? {size: 168, left: [4, 24], right: [180, 24], bars: [4, 220, 412, 130]} : {size: 300, left: [20, 28], right: [340, 28], bars: [680, 50, 300, 260]}; },
  back() {
    const {size, left, right, bars: [x, y]} = this.places();
    return photo('einstein', ...left, size, 'left') + photo('monalisa', ...right, size, 'right') + label(left[0], left[1] - 8, plain('bandwidth.left')) +
      label(right[0], right[1] - 8, plain('bandwidth.right')) + label(x, y - 8, plain('bandwidth.top'));
  },
  front() {
    const {size, left, right, bars: [x, y, wide, high]} = this.places();
    let html = frame(left, size, EYE, 'patch', 'var(--cxs-gold)');
    if (!matrices) return html;
    const shares = this.row(), top = ranked(shares).slice(0, 10), step = wide / 10;
    html += heat(right, size, shares) + frame(right, size, top[0], 'best votes', 'var(--cxs-gold)');
    html += make('g', {'data-part': 'votes'}, top.map((k, n) => {
      const tall = Math.max(1, (high - 20) * shares[k]);
      return rect(x + n * step + 2, y + high - tall, step - 4, tall, {class: n ? 'cxs-bar-a' : 'cxs-bar-gold', 'data-part': n ? 'votes' : 'best votes'}) +
        label(x + (n + 0.5) * step, y + high - tall - 5, shares[k] < 0.005 ? '≈0' : percent(shares[k]).replace(' %', ''), {class: 'cxs-small', 'text-anchor': 'middle'});
    }).join('')) + line(x, y + high, x + wide, y + high, {class: 'cxs-axis'}) + label(x + wide, y - 8, '%', {class: 'cxs-small', 'text-anchor': 'end'});
    return html;
  },
  talk() {
    const values = {h: this.h};
    if (matrices) {
      const sorted = this.row().sort((a, b) => b - a);
      let sum = 0;
      values.share = percent(sorted[0]);
      values.needed = sorted.findIndex((v) => (sum += v) >= 0.5) + 1;
    }
    return {values, say: say('bandwidth.say'), told: say('bandwidth.told', values)};
  },
  isRight: (k) => k === 2,
  reveal() { glide(-1, 0, 1.4, (v) => { this.slide(v); drawFront(); }); },
  control() { return slider('bandwidth.control', -2, 1, 0.02, Math.log10(this.h), this.h); },
  slide(v) { this.h = toH(v); setSlider(v, this.h); },
};

// ---- 3: context

const contextScene = {
  x: [0.6, 0.47], ys: [[0.51, 0.41], [0.72, 0.56], [0.79, 0.38], [0.91, 0.49], [0.52, 0.62], [0.85, 0.65]],
  times: 1, free: false, tall: 400,
  plane() { return show.tall ? [0, 0, 420, 262] : [0, 4, 525, 328]; },
  now() { return this.ys.map((y) => [0, 1].map((k) => this.x[k] + this.times * (y[k] - this.x[k]))); },
  row() { return distancesBetween([this.x], this.now())[0].map(Math.sqrt); },
  place([u, v]) { const [x, y, wide, high] = this.plane(); return [x + (wide * u) / 1.6, y + high * v]; }, // one unit is the height
  back() {
    const [x, y, wide, high] = this.plane();
    return rect(x, y, wide, high, {class: 'cxs-plane', rx: 8});
  },
  front() {
    const d = this.row(), cx = affinityOf(d.map((v) => v * v), 0.5), from = this.place(this.x);
    let html = '';
    this.now().forEach((y, k) => {
      const to = this.place(y);
      html += line(...from, ...to, {stroke: tone(k), 'stroke-width': (1 + 10 * cx[k]).toFixed(1), opacity: (0.25 + 0.75 * cx[k]).toFixed(2), 'data-part': 'y x'});
    });
    this.now().forEach((y, k) => {
      const to = this.place(y);
      html += make('g', {'data-part': 'y'}, round(...to, 13, {fill: tone(k)}) + label(to[0], to[1] + 4.5, `y${k + 1}`, {class: 'cxs-on', 'text-anchor': 'middle'}));
    });
    html += make('g', {'data-part': 'x'}, round(...from, 14, {class: 'cxs-x'}) + label(from[0], from[1] + 5, 'x', {class: 'cxs-on', 'text-anchor': 'middle'}));
    return html + this.bars(d, cx);
  },
  bars(d, cx) {
    const near = Math.min(...d), r = d.map((v) => v / near);
    const rows = [['d', d, 0.9, (v) => short(v)], ['r', r, 6, (v) => short(v, 1)], ['cx', cx, 1, percent]];
    const [x0, y0, wide, high] = show.tall ? [0, 272, 420, 128] : [570, 4, 420, 328];
    return rows.map(([name, values, most, said], n) => {
      const [x, y, w, h] = show.tall ? [x0 + n * 142, y0, 134, high] : [x0, y0 + n * 110, wide, 106];
      const step = w / 6, base = y + h - 14;
      return make('g', {'data-part': `${name} bars`}, label(x, y + 12, show.tall ? name.replace('cx', 'CX') : plain(`context.${name}`), {class: 'cxs-small cxs-strong'}) +
        values.map((v, k) => {
          const tall = Math.max(1, (h - 44) * Math.min(1, v / most));
          return rect(x + k * step + 2, base - tall, step - 4, tall, {fill: tone(k)}) +
            (show.tall ? '' : label(x + (k + 0.5) * step, base - tall - 4, said(v), {class: 'cxs-small', 'text-anchor': 'middle'}) +
            label(x + (k + 0.5) * step, base + 12, `y${k + 1}`, {class: 'cxs-small', 'text-anchor': 'middle'}));
        }).join('') + line(x, base, x + w, base, {class: 'cxs-axis'}));
    }).join('');
  },
  talk() {
    const cx = affinityOf(this.row().map((v) => v * v), 0.5), k = best(cx);
    const values = {times: short(this.times, 1), best: k + 1, share: percent(cx[k])};
    return {values, say: say('context.say'), told: say(this.free ? 'context.free' : 'context.told', values)};
  },
  isRight: (k) => k === 1,
  reveal() { glide(1, 2, 1.4, (v) => { this.times = v; setSlider(v, `× ${short(v, 1)}`); drawFront(); }); },
  control() { return slider('context.control', 0.8, 2, 0.05, this.times, `× ${short(this.times, 1)}`); },
  slide(v) { this.times = v; this.free = false; setSlider(v, `× ${short(v, 1)}`); },
  grab(px, py, begins) {
    const [x, y, wide, high] = this.plane();
    if (begins) {
      if (px < x || px > x + wide || py < y || py > y + high) return false;
      this.ys = this.now();
      this.times = 1;
      setSlider(1, '× 1.0');
    }
    const here = [clampTo(((px - x) / wide) * 1.6, 0.03, 1.57), clampTo((py - y) / high, 0.05, 0.95)];
    if (begins) {
      const far = (p) => Math.hypot(p[0] - here[0], p[1] - here[1]);
      const near = this.ys.findIndex((p) => far(p) < 0.06);
      this.held = far(this.x) < 0.07 || near < 0 ? -1 : near;
    }
    if (this.held < 0) this.x = here; else this.ys[this.held] = here;
    this.free = true;
    return true;
  },
  nudge(dx, dy) { this.free = true; this.x = [clampTo(this.x[0] + 0.02 * dx, 0.03, 1.57), clampTo(this.x[1] + 0.02 * dy, 0.05, 0.95)]; },
};

// ---- 5: the matrix

const matrixScene = {
  xs: [[0.2, 0.26], [0.55, 0.2], [0.86, 0.22], [0.41, 0.32], [0.44, 0.78], [0.96, 0.66]],
  ys: [[0.16, 0.2], [0.6, 0.14], [0.93, 0.26], [0.25, 0.76], [0.62, 0.84], [1.02, 0.72]],
  stage: 1, tall: 496,
  rows() { return distancesBetween(this.xs, this.ys).map((d) => affinityOf(d, 0.5)); },
  plane() { return show.tall ? [0, 22, 420, 190] : [0, 24, 440, 308]; },
  table() { return show.tall ? [40, 252, 44, 32] : [540, 48, 56, 38]; },
  place([u, v]) { const [x, y, wide, high] = this.plane(); return [x + (wide * u) / 1.18, y + high * v]; },
  back() {
    const [x, y, wide, high] = this.plane(), [tx, ty] = this.table();
    return rect(x, y, wide, high, {class: 'cxs-plane', rx: 8}) + label(x, y - 8, plain('matrix.plane')) + label(tx - 34, ty - 28, plain('matrix.matrix'));
  },
  front() {
    const rows = this.rows(), {best: top, winner, cx, idle} = similarityOf(rows), phase = told() ? this.stage : 1;
    const [tx, ty, w, h] = this.table();
    let html = '';
    if (phase >= 2) winner.forEach((i, j) => { html += line(...this.place(this.xs[i]), ...this.place(this.ys[j]), {stroke: tone(j), 'stroke-width': 1 + 7 * top[j], 'data-part': 'columns'}); });
    this.ys.forEach((y, k) => { const [a, b] = this.place(y); html += round(a, b, 11, {class: 'cxs-ring', style: `stroke:${tone(k)}`}) + label(a, b + 4, `y${k + 1}`, {class: 'cxs-small', 'text-anchor': 'middle'}); });
    this.xs.forEach((x, k) => {
      const [a, b] = this.place(x), out = phase === 4 && idle.includes(k);
      html += make('g', {'data-part': out ? 'idle' : 'x'}, round(a, b, 11, {class: out ? 'cxs-x cxs-idle' : 'cxs-x'}) + label(a, b + 4, `x${k + 1}`, {class: 'cxs-on cxs-small', 'text-anchor': 'middle'}));
    });
    rows.forEach((row, i) => {
      const out = phase === 4 && idle.includes(i);
      html += make('g', {'data-part': out ? 'rows idle' : 'rows'}, label(tx - 8, ty + i * h + h / 2 + 4, `x${i + 1}`, {class: out ? 'cxs-idle-text' : '', 'text-anchor': 'end'}) + row.map((v, j) => {
        const wins = phase >= 2 && winner[j] === i, faint = phase >= 2 && !wins;
        return rect(tx + j * w, ty + i * h, w - 2, h - 2, {class: `cxs-cell${faint ? ' cxs-faint' : ''}`, 'fill-opacity': (0.06 + 0.94 * v).toFixed(3), rx: 3}) +
          (wins ? rect(tx + j * w + 1, ty + i * h + 1, w - 4, h - 4, {class: 'cxs-frame', style: `stroke:${tone(j)}`, rx: 3, 'data-part': 'columns'}) : '') +
          label(tx + j * w + w / 2 - 1, ty + i * h + h / 2 + 4, v < 0.005 ? '0' : short(v), {class: `cxs-small ${v > 0.45 && !faint ? 'cxs-on' : ''} ${faint ? 'cxs-faint' : ''}`, 'text-anchor': 'middle'});
      }).join('') + (phase === 1 ? label(tx + 6 * w + 4, ty + i * h + h / 2 + 4, '= 1', {class: 'cxs-small'}) : out ? label(tx + 6 * w + 2, ty + i * h + h / 2 + 4, '∇ = 0', {class: 'cxs-small cxs-idle-text'}) : ''));
    });
    this.ys.forEach((_, j) => { html += label(tx + j * w + w / 2 - 1, ty - 6, `y${j + 1}`, {'text-anchor': 'middle', style: `fill:${tone(j)}`}); });
    if (phase >= 3) html += make('g', {'data-part': 'mean'}, top.map((v, j) => label(tx + j * w + w / 2 - 1, ty + 6 * h + 16, short(v), {class: 'cxs-strong', 'text-anchor': 'middle'})).join('') +
      label(tx - 8, ty + 6 * h + 16, 'max', {class: 'cxs-small', 'text-anchor': 'end'}) +
      label(tx, ty + 6 * h + 40, `CX = ${short(cx)}   −log CX = ${short(-Math.log(cx))}`, {class: 'cxs-number'}));
    return html;
  },
  talk() {
    const {cx, loss, idle} = similarityOf(this.rows());
    const values = {cx: short(cx), loss: short(loss), idle: idle.map((k) => `x${k + 1}`).join(', ')};
    const phase = told() ? this.stage : 1;
    const key = phase === 4 && !idle.length ? 'matrix.say4none' : `matrix.say${phase}`;
    return {values, say: say(key, values), told: say(idle.length ? 'matrix.told' : 'matrix.toldnone', values)};
  },
  options: () => ['x1', 'x2', 'x3', 'x4', 'x5', 'x6'],
  isRight(k) { return similarityOf(this.rows()).idle.includes(k); },
  reveal() {
    this.stage = 2;
    setSlider(2, 2);
    const next = (at) => setTimeout(() => { if (show.step === 5 && this.stage === at - 1 && at <= 4) { this.stage = at; setSlider(at, at); drawFront(); next(at + 1); } }, 1800);
    if (still) { this.stage = 4; setSlider(4, 4); } else next(3);
  },
  control() { return slider('matrix.control', 1, 4, 1, this.stage, this.stage); },
  slide(v) { this.stage = v; setSlider(v, v); },
  grab(px, py, begins) {
    const [x, y, wide, high] = this.plane(), here = [((px - x) / wide) * 1.18, (py - y) / high];
    if (begins) {
      const far = (p) => Math.hypot(p[0] - here[0], p[1] - here[1]);
      const all = [...this.xs, ...this.ys], k = all.reduce((m, p, n) => (far(p) < far(all[m]) ? n : m), 0);
      if (far(all[k]) > 0.09) return false;
      this.held = all[k];
      if (this.stage < 4) this.slide(4);
    }
    this.held[0] = clampTo(here[0], 0.04, 1.14);
    this.held[1] = clampTo(here[1], 0.05, 0.95);
    return true;
  },
};

// ---- 6: the place

const WEIGHTS = [0, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100], PLACE = 12, PLACE_H = 0.5;
const placeScene = {
  k: 0, needs: true, tall: 412, cell: 5 * PLACE + 6,
  steps() { return this.known ??= WEIGHTS.map((w) => weighPlace(matrices.place, PLACE, w, PLACE_H)); },
  places() { return show.tall ? {size: 196, left: [6, 22], right: [218, 22], chart: [34, 244, 376, 130]} : {size: 270, left: [4, 28], right: [290, 28], chart: [620, 24, 370, 268]}; },
  back() {
    const {size, left, right} = this.places();
    return photo('place_x', ...left, size, 'left') + photo('place_y', ...right, size, 'right') + label(left[0], left[1] - 8, plain('place.left')) + label(right[0], right[1] - 8, plain('place.right'));
  },
  front() {
    const {size, left, right} = this.places();
    let html = frame(left, size, this.cell, 'patch', 'var(--cxs-gold)', PLACE);
    if (!matrices) return html;
    const step = this.steps()[this.k];
    html += heat(right, size, step.rows[this.cell], PLACE);
    html += frame(right, size, this.cell, 'own', 'var(--cx-b)', PLACE) + frame(right, size, this.cell - 2, 'twin', 'var(--cx-c)', PLACE);
    return told() ? html + this.chart() : html;
  },
  chart() {
    const [x, y, wide, high] = this.places().chart, steps = this.steps(), limit = perceptualOf(matrices.place);
    const most = 1.3 * Math.max(...steps.map((s) => s.loss)), px = (k) => x + (wide * k) / (WEIGHTS.length - 1), py = (v) => y + high * (1 - v / most);
    const curve = (name, color, part) => make('path', {d: steps.map((s, k) => `${k ? 'L' : 'M'}${px(k)} ${py(s[name])}`).join(''), class: 'cxs-curve', style: `stroke:${color}`, 'data-part': part}) +
      round(px(this.k), py(steps[this.k][name]), 6, {fill: color, 'data-part': part});
    const key = (k, color, text, dash = '') => line(x + 8, y + 12 + 17 * k, x + 28, y + 12 + 17 * k, {stroke: color, 'stroke-width': 3, 'stroke-dasharray': dash}) + label(x + 34, y + 16 + 17 * k, text, {class: 'cxs-small'});
    return [0, 0.5, 1].map((v) => line(x, py(v), x + wide, py(v), {class: 'cxs-grid'}) + label(x - 5, py(v) + 4, v, {class: 'cxs-small', 'text-anchor': 'end'})).join('') +
      WEIGHTS.map((w, k) => (k % 2 ? '' : label(px(k), y + high + 15, w, {class: 'cxs-small', 'text-anchor': 'middle'}))).join('') + label(x + wide, y + high + 30, 'w', {'text-anchor': 'end'}) +
      line(x, py(limit), x + wide, py(limit), {stroke: 'var(--cx-a)', 'stroke-dasharray': '6 4', 'stroke-width': 1.5}) + curve('loss', 'var(--cx-b)', 'loss') + curve('voted', 'var(--cx-a)', 'voted') +
      key(0, 'var(--cx-b)', plain('place.curve_loss')) + key(1, 'var(--cx-a)', plain('place.curve_voted')) + key(2, 'var(--cx-a)', plain('place.curve_limit'), '6 4');
  },
  talk() {
    if (!matrices) return {values: {}, say: say('place.say'), told: ''};
    const step = this.steps()[this.k], start = this.steps()[0].loss;
    const values = {w: WEIGHTS[this.k], own: percent(step.own), loss: short(step.loss), voted: short(step.voted), start: short(start), perceptual: short(perceptualOf(matrices.place))};
    values.phase = fill(plain(`place.${step.own > 0.9 ? 'high' : step.loss > 1.1 * start ? 'middle' : 'low'}`), values);
    return {values, say: say('place.say'), told: say('place.told', values)};
  },
  isRight: (k) => k === 1,
  reveal() { glide(0, WEIGHTS.length - 1, 3, (v) => { this.slide(Math.round(v)); drawFront(); }); },
  control() { return slider('place.control', 0, WEIGHTS.length - 1, 1, this.k, WEIGHTS[this.k]); },
  slide(v) { this.k = v; setSlider(v, WEIGHTS[v]); },
  grab(x, y) {
    const {size, left} = this.places(), cell = cellAt(left, size, x, y, PLACE);
    if (cell >= 0) this.cell = clampTo(cell % PLACE, 2, PLACE - 1) + PLACE * Math.floor(cell / PLACE);
    return cell >= 0;
  },
};

// ---- 7: when it fails

const CASES = ['colour', 'hubs', 'sky', 'points'], SKY_ROWS = 5, SKY_CELL = 2 * SIDE + 7;
const failsScene = {
  kind: 'colour', helped: false, needs: true, tall: 260,
  places() {
    const [a, b] = {colour: [40, 370], points: [350, 350]}[this.kind] || [185, 515];
    return show.tall ? {size: 196, left: [6, 22], right: [218, 22], bar: [60, 232, 340]} : {size: 300, left: [a, 28], right: [b, 28], bar: [730, 110, 250]};
  },
  back() {
    const {size, left, right} = this.places(), titled = (a, b) => label(left[0], left[1] - 8, a) + label(right[0], right[1] - 8, b);
    if (this.kind === 'colour') return photo('cat', ...left, size, 'original', [EDGE, EDGE, CROP, CROP]) + photo('recoloured', ...right, size, 'copy', [EDGE, EDGE, CROP, CROP]) + titled(plain('fails.original'), plain('fails.recoloured'));
    if (this.kind === 'hubs') return photo('einstein', ...left, size, 'left') + photo('monalisa', ...right, size, 'right') + titled(plain('bandwidth.left').replace(/^.*$/, plain('eye.left').split(/[:：]/)[0]), plain('fails.count'));
    if (this.kind === 'sky') return photo('sky', ...left, size, 'left') + photo('noisy', ...right, size, 'right') + titled(plain('fails.original'), plain('fails.noisy'));
    return rect(...left, size, size, {class: 'cxs-plane', rx: 8}) + label(left[0], left[1] - 8, plain('fails.targets'));
  },
  front() { return told() || this.kind === 'colour' ? this[this.kind]() : ''; },
  colour() {
    const [x, y, wide] = this.places().bar, read = numbers.colour, gap = show.tall ? 0 : 62;
    if (!told()) return '';
    const rows = [['L1', read.l1, 'cxs-bar-b', 'l1'], ['CX', this.helped ? read.rgb : read.cx, 'cxs-bar-a', 'cx']];
    return rows.map(([name, value, style, part], k) => {
      const top = show.tall ? y - 8 + 16 * k : y + gap * k;
      return make('g', {'data-part': part}, label(x - 8, top + 12, name, {class: 'cxs-strong', 'text-anchor': 'end'}) + rect(x, top, wide * 0.72, show.tall ? 12 : 24, {class: 'cxs-track', rx: 4}) +
        rect(x, top, Math.max(2, wide * 0.72 * Math.min(1.38, value)), show.tall ? 12 : 24, {class: style, rx: 4}) +
        label(show.tall ? x + wide + 16 : x, top + (show.tall ? 11 : 42), short(value), {class: show.tall ? 'cxs-small' : 'cxs-number', 'text-anchor': show.tall ? 'end' : 'start'}));
    }).join('');
  },
  hubs() {
    if (!matrices) return '';
    const {size, left, right} = this.places(), d = matrices[`faces_${this.helped ? 'conv4_2' : 'conv1_2'}`], count = countNearest(d), top = best(count);
    const asks = d.map((row, i) => [i, row.indexOf(Math.min(...row))]).filter(([, j]) => j === top);
    const [u, v] = middle(right, size, top);
    return heat(right, size, count, SIDE, 'veil') + make('g', {'data-part': 'hub'}, asks.map(([i]) => { const [x, y] = middle(left, size, i); return make('path', {d: `M${x} ${y} C${(x + u) / 2} ${y} ${(x + u) / 2} ${v} ${u} ${v}`, class: 'cxs-link', 'stroke-width': 1.2, opacity: 0.7}); }).join('') + frame(right, size, top, 'hub', 'var(--cxs-gold)'));
  },
  skyRows() { return matrices.sky.map((d, i) => d.map((v, j) => v + (this.helped ? apart(i, j, SIDE) : 0))); },
  home() {
    const cells = this.skyRows().slice(0, SKY_ROWS * SIDE);
    const near = cells.filter((d, i) => { const j = d.indexOf(Math.min(...d)); return Math.abs((i % SIDE) - (j % SIDE)) <= 1 && Math.abs(Math.floor(i / SIDE) - Math.floor(j / SIDE)) <= 1; });
    return near.length / cells.length;
  },
  sky() {
    if (!matrices) return '';
    const {size, left, right} = this.places(), shares = affinityOf(this.skyRows()[SKY_CELL], 0.1), [x, y] = middle(left, size, SKY_CELL);
    return frame(left, size, SKY_CELL, 'votes', 'var(--cxs-gold)') + heat(right, size, shares) + make('g', {'data-part': 'votes'}, ranked(shares).slice(0, 6).map((k) => {
      const [u, v] = middle(right, size, k);
      return make('path', {d: `M${x} ${y} C${(x + u) / 2} ${y} ${(x + u) / 2} ${v} ${u} ${v}`, class: 'cxs-link', 'stroke-width': (1 + 9 * shares[k]).toFixed(1)});
    }).join('')) + frame(right, size, SKY_CELL, 'own', 'var(--cx-b)');
  },
  points() {
    const {size, left} = this.places(), made = numbers.points[this.helped ? 'symmetric' : 'cx'];
    const spot = ([u, v]) => [left[0] + size * (0.5 + 0.46 * u), left[1] + size * (0.5 + 0.46 * v)];
    return numbers.points.target.map((p) => round(...spot(p), 5.5, {class: 'cxs-ring'})).join('') +
      made.points.map((p, k) => { const out = made.idle.includes(k); return round(...spot(p), 3.6, {class: out ? 'cxs-idle' : 'cxs-bar-a', 'data-part': out ? 'idle' : 'points'}); }).join('');
  },
  talk() {
    const read = numbers.colour, values = {l1: short(read.l1), near: short(read.cx), cx: short(read.cx), rgb: short(read.rgb)};
    if (this.kind === 'hubs' && matrices) {
      const count = countNearest(matrices[`faces_${this.helped ? 'conv4_2' : 'conv1_2'}`]);
      Object.assign(values, {hub: Math.max(...count), distinct: percent(count.filter(Boolean).length / count.length)});
    }
    if (this.kind === 'sky' && matrices) values.home = percent(this.home());
    const made = numbers.points[this.helped ? 'symmetric' : 'cx'];
    if (this.kind === 'points') Object.assign(values, {all: made.points.length, taken: made.taken, idle: made.idle.length});
    return {values, say: say('fails.say'), told: say(`fails.${this.kind}.${this.helped ? 'helped' : 'told'}`, values)};
  },
  isRight: (k) => k === 0,
  past() { return this.kind !== 'colour' || this.helped; }, // the question is behind us
  reveal() {},
  control() {
    return `<div class="cxs-cases">${pills('fails.case', CASES.map((kind) => [kind, plain(`fails.${kind}`)]), this.kind)}` +
      `<button type="button" class="cxs-help" data-choice="help" aria-pressed="${this.helped}">${plain('fails.help')}: ${plain(`fails.${this.kind}.help`)}</button></div>`;
  },
  choose(what) { if (what === 'help') this.helped = !this.helped; else { this.kind = what; this.helped = false; } },
};

const scenes = {shift: shiftScene, eye: eyeScene, context: contextScene, bandwidth: bandwidthScene, matrix: matrixScene, place: placeScene, fails: failsScene};
