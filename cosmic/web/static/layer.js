// A layer as a picture: its map in kelvin or its order, the cells scanned so far, fallbacks, the current cell.

import { bytes, sized, themeColour } from "./format.js";

// Anchors of matplotlib's inferno and viridis: light rises evenly, readable without telling colours apart.
const INFERNO = ["#000004", "#160b39", "#420a68", "#6a176e", "#932667", "#bc3754", "#dd513a", "#f37819", "#fca50a", "#f6d746", "#fcffa4"];
const VIRIDIS = ["#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"];
const TRAIL = 9;
const SPAN_MIN_K = 20; // a cold layer's noise must not look like heat

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function table(anchors) {
  const points = anchors.map(rgb);
  const found = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (points.length - 1);
    const low = Math.min(Math.floor(at), points.length - 2);
    for (let c = 0; c < 3; c++) found[3 * i + c] = points[low][c] + (at - low) * (points[low + 1][c] - points[low][c]);
  }
  return found;
}
const TABLES = { temperature: table(INFERNO), order: table(VIRIDIS) };

export class LayerView {
  constructor(canvas, scale) {
    this.canvas = canvas;
    this.scale = scale;
    this.mode = "temperature";
    this.geometry = null;
    this.map = null;
    this.order = [];
    this.windowOf = new Map();
    this.fallbacks = new Set();
    this.cursor = null;
    this.active = true;
    this.pending = false;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.base = null; this.redraw(); });
  }

  setGeometry(image) {
    const cellOf = typeof image.cell_of === "string" ? new Uint32Array(bytes(image.cell_of)) : image.cell_of;
    const { rows, columns, cells } = image;
    const sumX = new Float64Array(cells), sumY = new Float64Array(cells), count = new Float64Array(cells);
    const boxes = Array.from({ length: cells }, () => [columns, rows, 0, 0]);
    const squares = Array.from({ length: cells }, () => []);
    const elementOf = new Int32Array(rows * columns).fill(-1);
    let element = 0;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const cell = cellOf[r * columns + c] - 1;
      if (cell < 0) continue;
      elementOf[r * columns + c] = element++;
      sumX[cell] += c + 0.5; sumY[cell] += rows - r - 0.5; count[cell] += 1;
      squares[cell].push(c, rows - 1 - r);
      const box = boxes[cell];
      box[0] = Math.min(box[0], c); box[2] = Math.max(box[2], c + 1);
      box[1] = Math.min(box[1], rows - 1 - r); box[3] = Math.max(box[3], rows - r);
    }
    this.geometry = { ...image, cellOf, elementOf, boxes, squares, count, x: sumX.map((s, i) => s / count[i]), y: sumY.map((s, i) => s / count[i]) };
    this.map = null;
    this.base = null;
    this.redraw();
  }

  setMap(image) {
    const counts = new Uint16Array(bytes(image.counts));
    const kelvin = Float32Array.from(counts, (value) => value * image.step_K);
    let low = Infinity, high = -Infinity;
    for (const value of kelvin) { if (value < low) low = value; if (value > high) high = value; }
    if (high - low < SPAN_MIN_K) { const middle = (low + high) / 2; low = middle - SPAN_MIN_K / 2; high = middle + SPAN_MIN_K / 2; }
    this.map = { kelvin, low, high };
    this.base = null;
    this.redraw();
  }

  clearMap() { this.map = null; this.base = null; this.redraw(); }

  setMode(mode) { this.mode = mode; this.base = null; this.redraw(); }

  setOrder(order, fallbackWindows, active) {
    this.order = order;
    this.windowOf = new Map(order.map((cell, window) => [cell, window]));
    this.fallbacks = fallbackWindows;
    this.active = active;
    if (this.mode === "order") this.base = null;
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  place() {
    const { rows, columns } = this.geometry;
    const { width, height, ratio } = sized(this.canvas);
    const pad = 10 * ratio;
    const unit = Math.min((width - 2 * pad) / columns, (height - 2 * pad) / rows);
    return { unit, left: (width - unit * columns) / 2, top: (height - unit * rows) / 2, ratio, width, height };
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = sized(this.canvas);
    context.clearRect(0, 0, width, height);
    if (!this.geometry) return;
    const at = this.place();
    if (!this.base) this.base = this.picture();
    context.imageSmoothingEnabled = false;
    const { rows, columns } = this.geometry;
    context.drawImage(this.base, at.left, at.top, columns * at.unit, rows * at.unit);
    this.drawGrid(context, at);
    this.drawTrail(context, at);
    this.drawScanned(context, at);
    if (this.cursor !== null) this.outline(context, at, this.cursor, themeColour("text"), 2.5, [5, 4]);
    this.drawScale();
  }

  picture() {
    const { rows, columns, cellOf, elementOf } = this.geometry;
    const image = new ImageData(columns, rows);
    const colours = TABLES[this.mode];
    const empty = rgb(themeColour("empty"));
    const cells = this.geometry.cells;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const square = r * columns + c;
      const cell = cellOf[square] - 1;
      if (cell < 0) continue;
      let colour = empty;
      let share = null;
      if (this.mode === "temperature" && this.map) {
        share = (this.map.kelvin[elementOf[square]] - this.map.low) / (this.map.high - this.map.low);
      } else if (this.mode === "order" && this.windowOf.has(cell)) {
        share = cells > 1 ? this.windowOf.get(cell) / (cells - 1) : 0;
      }
      if (share !== null) {
        const place = 3 * Math.max(0, Math.min(255, Math.round(255 * share)));
        colour = [colours[place], colours[place + 1], colours[place + 2]];
      }
      const to = 4 * ((rows - 1 - r) * columns + c);
      image.data[to] = colour[0]; image.data[to + 1] = colour[1]; image.data[to + 2] = colour[2]; image.data[to + 3] = 255;
    }
    const canvas = document.createElement("canvas");
    canvas.width = columns; canvas.height = rows;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  borders() {
    // Edges between cells, as pairs of grid points: found once a geometry.
    if (this.geometry.edges) return this.geometry.edges;
    const { rows, columns, cellOf } = this.geometry;
    const edges = [];
    const cell = (r, c) => r < 0 || c < 0 || r >= rows || c >= columns ? 0 : cellOf[r * columns + c];
    for (let r = 0; r <= rows; r++) for (let c = 0; c <= columns; c++) {
      const here = cell(r, c), y = rows - r;
      const left = cell(r, c - 1), below = cell(r - 1, c);
      if (here !== left && (here || left)) edges.push(c, y, c, y - 1);
      if (here !== below && (here || below)) edges.push(c, y, c + 1, y);
    }
    this.geometry.edges = edges;
    return edges;
  }

  drawGrid(context, at) {
    const edges = this.borders();
    context.beginPath();
    for (let i = 0; i < edges.length; i += 4) {
      context.moveTo(at.left + edges[i] * at.unit, at.top + edges[i + 1] * at.unit);
      context.lineTo(at.left + edges[i + 2] * at.unit, at.top + edges[i + 3] * at.unit);
    }
    context.strokeStyle = themeColour("ground");
    context.lineWidth = Math.max(1, Math.min(at.unit * 0.35, 1.6 * at.ratio));
    context.stroke();
  }

  drawScanned(context, at) {
    const { x, y } = this.geometry;
    const side = Math.sqrt(this.geometry.count[0] || 1) * at.unit;
    const size = Math.min(side * 0.42, 15 * at.ratio);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.lineJoin = "round";
    for (let window = 0; window < this.order.length; window++) {
      const cell = this.order[window];
      const fallback = this.fallbacks.has(window);
      if (fallback) this.hatch(context, at, cell);
      const px = at.left + x[cell] * at.unit, py = at.top + y[cell] * at.unit;
      if (size >= 7 * at.ratio) {
        const words = fallback ? `▲${window + 1}` : String(window + 1);
        context.strokeStyle = "rgb(0 0 0 / 75%)"; context.lineWidth = 3 * at.ratio;
        context.strokeText(words, px, py);
        context.fillStyle = "#fff";
        context.fillText(words, px, py);
      } else {
        context.beginPath(); context.arc(px, py, Math.max(1.3 * at.ratio, side * 0.13), 0, 7);
        context.fillStyle = fallback ? "#fff" : "rgb(255 255 255 / 85%)"; context.fill();
        context.strokeStyle = "rgb(0 0 0 / 70%)"; context.lineWidth = at.ratio; context.stroke();
      }
    }
  }

  hatch(context, at, cell) {
    const [left, top, right, bottom] = this.geometry.boxes[cell];
    const squares = this.geometry.squares[cell];
    context.save();
    context.beginPath();
    for (let i = 0; i < squares.length; i += 2) context.rect(at.left + squares[i] * at.unit, at.top + squares[i + 1] * at.unit, at.unit + 0.5, at.unit + 0.5);
    context.clip();
    const step = 6 * at.ratio, high = (bottom - top) * at.unit;
    context.beginPath();
    for (let x = left * at.unit - high; x < right * at.unit; x += step) {
      context.moveTo(at.left + x, at.top + bottom * at.unit);
      context.lineTo(at.left + x + high, at.top + top * at.unit);
    }
    context.strokeStyle = "rgb(0 0 0 / 60%)"; context.lineWidth = 3 * at.ratio; context.stroke();
    context.strokeStyle = "#ff9350"; context.lineWidth = 1.6 * at.ratio; context.stroke();
    context.restore();
  }

  drawTrail(context, at) {
    if (!this.active || !this.order.length) return;
    const { x, y } = this.geometry;
    const last = this.order.slice(-TRAIL);
    for (let i = 1; i < last.length; i++) {
      context.beginPath();
      context.moveTo(at.left + x[last[i - 1]] * at.unit, at.top + y[last[i - 1]] * at.unit);
      context.lineTo(at.left + x[last[i]] * at.unit, at.top + y[last[i]] * at.unit);
      const strength = i / last.length;
      context.lineWidth = 4 * at.ratio; context.strokeStyle = `rgb(0 0 0 / ${45 * strength}%)`; context.stroke();
      context.lineWidth = 1.8 * at.ratio; context.strokeStyle = `rgb(255 255 255 / ${90 * strength}%)`; context.stroke();
    }
    this.outline(context, at, this.order[this.order.length - 1], "#fff", 4.5, []);
    this.outline(context, at, this.order[this.order.length - 1], "#0a7d85", 2.2, []);
  }

  outline(context, at, cell, colour, width, dash) {
    const box = this.geometry.boxes[cell];
    if (!box) return;
    context.save();
    context.setLineDash(dash.map((length) => length * at.ratio));
    context.lineWidth = width * at.ratio;
    context.strokeStyle = colour;
    context.strokeRect(at.left + box[0] * at.unit, at.top + box[1] * at.unit, (box[2] - box[0]) * at.unit, (box[3] - box[1]) * at.unit);
    context.restore();
  }

  drawScale() {
    const { width, height } = sized(this.scale);
    const context = this.scale.getContext("2d");
    const colours = TABLES[this.mode];
    for (let x = 0; x < width; x++) {
      const place = 3 * Math.round((255 * x) / Math.max(width - 1, 1));
      context.fillStyle = `rgb(${colours[place]} ${colours[place + 1]} ${colours[place + 2]})`;
      context.fillRect(x, 0, 1, height);
    }
  }

  ticks() {
    if (this.mode === "order") return this.geometry ? ["first window", `window ${this.geometry.cells}`] : [];
    if (!this.map) return ["no map yet"];
    const { low, high } = this.map;
    return [0, 0.25, 0.5, 0.75, 1].map((share) => `${(low + share * (high - low)).toFixed(0)} K`);
  }

  cellAt(event) {
    if (!this.geometry) return null;
    const at = this.place();
    const box = this.canvas.getBoundingClientRect();
    const c = Math.floor(((event.clientX - box.left) * at.ratio - at.left) / at.unit);
    const fromTop = Math.floor(((event.clientY - box.top) * at.ratio - at.top) / at.unit);
    const { rows, columns, cellOf } = this.geometry;
    const r = rows - 1 - fromTop;
    if (c < 0 || r < 0 || c >= columns || r >= rows) return null;
    const cell = cellOf[r * columns + c] - 1;
    return cell < 0 ? null : cell;
  }

  neighbour(cell, key) {
    // The cell nearest in a direction, for the arrow keys.
    const { x, y, cells } = this.geometry;
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    let best = cell, least = Infinity;
    for (let other = 0; other < cells; other++) {
      const along = (x[other] - x[cell]) * dx + (y[other] - y[cell]) * dy;
      const aside = Math.abs((x[other] - x[cell]) * dy + (y[other] - y[cell]) * dx);
      if (along > 0.01 && along + 2.5 * aside < least) { least = along + 2.5 * aside; best = other; }
    }
    return best;
  }

  meanKelvin(cell) {
    if (!this.map) return null;
    const { cellOf, elementOf } = this.geometry;
    let sum = 0, count = 0;
    for (let i = 0; i < cellOf.length; i++) if (cellOf[i] === cell + 1) { sum += this.map.kelvin[elementOf[i]]; count++; }
    return sum / count;
  }
}
