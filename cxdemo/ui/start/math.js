// The equations of the core for small matrices, so that an answer needs no server. A test holds them
// against cxdemo/contextual.py.
const EPS = 1e-5; // of Eq. 2

function affinityOf(d, h, eps = EPS) { // one row: d_ij -> CX_ij, Eqs. 2 to 4 as one softmax
  const near = Math.min(...d), heat = h * (near + eps);
  const w = d.map((v) => Math.exp((near - v) / heat));
  const sum = w.reduce((a, b) => a + b, 0);
  return w.map((v) => v / sum);
}

function similarityOf(rows) { // CX_ij -> who wins each column, Eq. 1, and the loss, Eq. 5
  const best = rows[0].map(() => -1), winner = rows[0].map(() => 0);
  rows.forEach((row, i) => row.forEach((v, j) => { if (v > best[j]) { best[j] = v; winner[j] = i; } }));
  const cx = best.reduce((a, b) => a + b, 0) / best.length;
  return {best, winner, cx, loss: -Math.log(cx), idle: rows.map((_, i) => i).filter((i) => !winner.includes(i))};
}

function distancesBetween(xs, ys) { // squared distances in the plane, as the toys take them
  return xs.map((x) => ys.map((y) => (x[0] - y[0]) ** 2 + (x[1] - y[1]) ** 2));
}

function apart(i, j, side) { // two cells of a map, in sides of the picture
  return Math.hypot((i % side) - (j % side), Math.floor(i / side) - Math.floor(j / side)) / side;
}

function weighPlace(matrix, side, w, h) { // d + w |p_i - p_j|: the loss, E_w, and the own place's share
  let voted = 0, own = 0;
  const rows = matrix.map((d, i) => {
    const row = affinityOf(w ? d.map((v, j) => v + w * apart(i, j, side)) : d, h);
    row.forEach((share, j) => { voted += share * d[j]; });
    own += row[i];
    return row;
  });
  return {rows, loss: similarityOf(rows).loss, voted: voted / rows.length, own: own / rows.length};
}

function perceptualOf(matrix) { return matrix.reduce((sum, d, i) => sum + d[i], 0) / matrix.length; }

function countNearest(matrix) { // for each y, of how many x it is the nearest
  const count = matrix[0].map(() => 0);
  matrix.forEach((d) => { count[d.indexOf(Math.min(...d))] += 1; });
  return count;
}

function readHalf(bits) { // float16
  const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, part = bits & 1023;
  return sign * (power ? 2 ** (power - 15) * (1 + part / 1024) : 2 ** -14 * (part / 1024));
}

function readMatrices(buffer, sizes) { // {name: cells} in their order -> {name: rows}
  const bits = new Uint16Array(buffer), made = {};
  let at = 0;
  for (const [name, cells] of Object.entries(sizes)) {
    made[name] = Array.from({length: cells}, (_, i) => Array.from(bits.subarray(at + i * cells, at + (i + 1) * cells), readHalf));
    at += cells * cells;
  }
  return made;
}
