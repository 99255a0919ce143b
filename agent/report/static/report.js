// A recorded layer as an animation: its order over the part, both maps, R by window. Without a server.

import { INFERNO, LayerView, TABLES, rgb } from "./layer.js";
import { $, OUTCOMES, bytes, element, ms, put } from "./format.js";

const data = JSON.parse($("data").textContent);
const typed = { u2: Uint16Array, i2: Int16Array };
const numbers = (text, kind) => text ? new typed[kind](bytes(text)) : null;

async function inflated(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Where a colour of the maps lies on their scale: the sum of red, green and blue rises along it.
const SHARES = (() => {
  const sums = INFERNO.map((hex) => rgb(hex).reduce((sum, value) => sum + value));
  return Float32Array.from({ length: 766 }, (_, sum) => {
    const above = sums.findIndex((value) => value >= sum);
    if (above <= 0) return above === 0 ? 0 : 1;
    return (above - 1 + (sum - sums[above - 1]) / (sums[above] - sums[above - 1])) / (sums.length - 1);
  });
})();
const BEYOND = 0.002; // share of a map's squares that may lie beyond either end of its own scale

function onItsOwnScale(image) {
  // Return a map in colours from its own coldest to its own hottest, and these as shares of the job's scale.
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const picture = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = picture.data;
  const share = (i) => SHARES[pixels[i] + pixels[i + 1] + pixels[i + 2]];
  const all = [];
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3]) all.push(share(i));
  all.sort((one, other) => one - other);
  const low = all[Math.floor(BEYOND * (all.length - 1))], high = Math.max(all[Math.ceil((1 - BEYOND) * (all.length - 1))], low + 0.01);
  for (let i = 0; i < pixels.length; i += 4) {
    if (!pixels[i + 3]) continue;
    const place = 3 * Math.round(255 * Math.max(0, Math.min(1, (share(i) - low) / (high - low))));
    for (let c = 0; c < 3; c++) pixels[i + c] = TABLES.temperature[place + c];
  }
  context.putImageData(picture, 0, 0);
  return { canvas, low, high };
}

class ReportView extends LayerView {
  // The live page's picture, with maps that are pictures already.
  setMode(mode) {
    this.shownMode = mode;
    const photo = mode === "order" ? null : this.photos?.[mode];
    this.own = photo && this.ownScale ? onItsOwnScale(photo) : null;
    this.photo = this.own?.canvas ?? photo;
    super.setMode(mode === "order" ? "order" : "temperature");
  }

  setPhotos(photos) { this.photos = photos; this.setMode(this.shownMode ?? "order"); }

  picked() { return this.photo; }

  draw() {
    const picked = this.picked();
    if (picked) this.base = picked;
    super.draw();
  }

  drawScanned(context, at) {
    if (this.shownMode === "order") super.drawScanned(context, at);
    else for (let window = 0; window < this.order.length; window++) if (this.fallbacks.has(window)) this.hatch(context, at, this.order[window]);
  }
}

const view = new ReportView($("layer"), $("scale"));
const grids = new Map();
const layers = new Map(data.layers.map((layer) => [layer.layer, layer]));
const known = data.layers.map((layer) => layer.layer);
let current = null; // the layer shown, with its arrays
let at = 0; // windows shown
let playing = false;
let speed = 1;
let credit = 0;
let before = 0;

async function grid(number) {
  if (!grids.has(number)) {
    const told = data.grids[number];
    const cells = Uint32Array.from(new Uint16Array(await inflated(told.cell_of)));
    grids.set(number, { ...told, cell_of: cells });
  }
  return grids.get(number);
}

function photo(layer, name) {
  return document.querySelector(`#layer-${layer} img.${name}`);
}

async function choose(number) {
  const told = layers.get(number);
  if (!told) return;
  const kelvin = (text) => numbers(text, "u2");
  const R = (text) => text ? Float64Array.from(numbers(text, "u2"), (value) => value * data.step_R) : null;
  const found = {
    layer: number, geometry: told.geometry, fallbacks: new Map(told.fallbacks.map(([window, outcome, cause]) => [window, [outcome, cause]])),
    order: Array.from(numbers(told.order, "u2")), length: numbers(told.length, "u2"), slack: numbers(told.slack, "i2"),
    before: kelvin(told.before), after: kelvin(told.after), printed: R(told.printed), mean: R(told.random_mean),
    low: R(told.random_low), high: R(told.random_high), sequential: R(told.sequential),
  };
  const photos = { before: photo(number, "before"), after: photo(number, "after") };
  const [shape] = await Promise.all([grid(told.geometry), ...Object.values(photos).filter(Boolean).map((image) => image.decode())]);
  const other = current?.geometry !== found.geometry;
  current = found;
  if (other) view.setGeometry(shape);
  view.setPhotos(photos);
  $("mode-after").disabled = !photos.after;
  $("choose").value = String(number);
  for (const sheet of document.querySelectorAll(".layer.chosen")) sheet.classList.remove("chosen");
  $(`layer-${number}`)?.classList.add("chosen");
  const slider = $("window");
  slider.max = String(found.order.length);
  $("previous").disabled = known.indexOf(number) === 0;
  $("next").disabled = known.indexOf(number) === known.length - 1;
  show(found.order.length);
  drawR();
  ticks();
}

function show(windows) {
  at = Math.max(0, Math.min(windows, current.order.length));
  view.setOrder(current.order.slice(0, at), new Set(current.fallbacks.keys()), at > 0 && (playing || at < current.order.length));
  const slider = $("window");
  slider.value = String(at);
  slider.setAttribute("aria-valuetext", `window ${at} of ${current.order.length}`);
  put("layer-words", `${current.layer + 1}: window ${at} of ${current.order.length}`);
  say(at ? current.order[at - 1] : null);
  moveNow();
  document.body.dataset.window = String(at);
}

function kelvinAt(share) {
  const { low, high } = view.own ?? { low: 0, high: 1 };
  return data.scale_K[0] + (low + share * (high - low)) * (data.scale_K[1] - data.scale_K[0]);
}

function ticks() {
  const words = view.shownMode === "order" ? ["first window", `window ${view.geometry.cells}`]
    : [0, 0.25, 0.5, 0.75, 1].map((share) => `${kelvinAt(share).toFixed(0)} K`);
  $("own").disabled = view.shownMode === "order";
  $("ticks").replaceChildren(...words.map((text) => element("span", {}, text)));
}

function say(cell) {
  if (cell === null) return put("cell", `${view.geometry?.cells ?? ""} cells. Play, or drag the slider.`);
  const window = current.order.indexOf(cell);
  const parts = [`Cell ${cell}`];
  if (window >= 0) parts.push(`window ${window + 1}, ${ms(current.length[window] * data.step_ms)} long`);
  if (window > 0) parts.push(`slack ${ms(current.slack[window] * data.step_ms)}`);
  const fell = current.fallbacks.get(window);
  if (window >= 0) parts.push(fell ? `▲ ${OUTCOMES[fell[0]] ?? fell[0]}${fell[1] ? ` (${fell[1]})` : ""}` : "decided in time");
  else parts.push("its window is not recorded");
  const kelvin = [["before", "before"], ["after", "predicted after"]].filter(([name]) => current[name]);
  if (kelvin.length) parts.push(kelvin.map(([name, words]) => `${(current[name][cell] * data.step_K).toFixed(1)} K ${words}`).join(", "));
  put("cell", `${parts.join("; ")}.`);
}

// --- R by window ---------------------------------------------------------------------------------------------------

const NS = "http://www.w3.org/2000/svg";
const R_BOX = { left: 56, right: 10, top: 8, bottom: 34, height: 220 };
let place = null;

function svg(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawR() {
  const chart = $("r-chart");
  if (!chart || !current?.printed) { place = null; return; }
  const width = chart.clientWidth || 480;
  chart.setAttribute("viewBox", `0 0 ${width} ${R_BOX.height}`);
  const all = [current.printed, current.high, current.low, current.sequential].filter(Boolean).flatMap((values) => Array.from(values));
  const low = Math.min(...all), high = Math.max(...all), count = Math.max(current.printed.length, current.sequential?.length ?? 0);
  const pad = (high - low || high || 1) * 0.06;
  const x = (window) => R_BOX.left + (window / Math.max(count - 1, 1)) * (width - R_BOX.left - R_BOX.right);
  const y = (value) => R_BOX.height - R_BOX.bottom - ((value - low + pad) / (high - low + 2 * pad)) * (R_BOX.height - R_BOX.top - R_BOX.bottom);
  const parts = [];
  for (let i = 0; i <= 4; i++) {
    const value = low + ((high - low) * i) / 4;
    parts.push(svg("line", { class: "grid", x1: R_BOX.left, x2: width - R_BOX.right, y1: y(value), y2: y(value) }));
    parts.push(svg("text", { x: R_BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toPrecision(3)));
  }
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const window = Math.round(share * (count - 1));
    parts.push(svg("text", { x: x(window), y: R_BOX.height - 18, "text-anchor": share === 1 ? "end" : "middle" }, String(window + 1)));
  }
  parts.push(svg("text", { x: (width + R_BOX.left) / 2, y: R_BOX.height - 3, "text-anchor": "middle" }, "window"));
  const points = (values) => Array.from(values, (value, window) => `${x(window).toFixed(1)},${y(value).toFixed(1)}`);
  if (current.low) parts.push(svg("polygon", { class: "band-random", points: [...points(current.high), ...points(current.low).reverse()].join(" ") }));
  for (const [values, kind] of [[current.sequential, "sequential"], [current.mean, "random"], [current.printed, "good"]])
    if (values) parts.push(svg("polyline", { class: `rline line-${kind}`, points: points(values).join(" ") }));
  parts.push(svg("line", { class: "now", id: "r-now", x1: 0, x2: 0, y1: R_BOX.top, y2: R_BOX.height - R_BOX.bottom }));
  chart.replaceChildren(...parts);
  place = x;
  $("r-others").hidden = !current.mean;
  $("r-none").hidden = Boolean(current.mean);
  moveNow();
}

function moveNow() {
  const line = $("r-now");
  if (!line || !place || !current.printed) return;
  const window = Math.max(at - 1, 0);
  line.setAttribute("x1", place(window));
  line.setAttribute("x2", place(window));
  const words = [`R after window ${window + 1}: ${current.printed[window]?.toFixed(5)}`];
  if (current.mean) words.push(`random orders ${current.mean[window].toFixed(5)}`, `sequential ${current.sequential[window].toFixed(5)}`);
  put("r-words", words.join(", "));
}

// --- time ----------------------------------------------------------------------------------------------------------

function play(on) {
  playing = on;
  put("play", on ? "Pause" : "Play");
  $("play").setAttribute("aria-pressed", String(on));
  if (on && at >= current.order.length) show(0);
  credit = 0;
  before = performance.now();
  if (on) requestAnimationFrame(step);
  else if (current) show(at);
}

function step(now) {
  if (!playing) return;
  credit += (now - before) * speed;
  before = now;
  let windows = at;
  while (windows < current.order.length && credit >= current.length[windows] * data.step_ms) {
    credit -= Math.max(current.length[windows] * data.step_ms, 0.1);
    windows++;
  }
  if (windows !== at) show(windows);
  if (at >= current.order.length) return play(false);
  requestAnimationFrame(step);
}

// --- pointing and keys ---------------------------------------------------------------------------------------------

async function layerBy(steps) {
  const number = known[known.indexOf(current.layer) + steps];
  if (number === undefined) return;
  play(false);
  await choose(number);
}

function mode(name) {
  if ($(`mode-${name}`).disabled) return;
  view.setMode(name);
  for (const other of ["order", "before", "after"]) $(`mode-${other}`).setAttribute("aria-pressed", String(other === name));
  ticks();
}

$("own").addEventListener("change", (event) => { view.ownScale = event.target.checked; view.setMode(view.shownMode); ticks(); });
for (const name of ["order", "before", "after"]) $(`mode-${name}`).addEventListener("click", () => mode(name));
$("play").addEventListener("click", () => play(!playing));
$("window").addEventListener("input", (event) => {
  const wanted = Number(event.target.value); // before pausing, which moves the slider
  play(false);
  show(wanted);
});
$("speed").addEventListener("change", (event) => { speed = Number(event.target.value); });
$("choose").addEventListener("change", (event) => { play(false); choose(Number(event.target.value)); });
$("previous").addEventListener("click", () => layerBy(-1));
$("next").addEventListener("click", () => layerBy(1));
for (const button of document.querySelectorAll(".layer h3 button")) button.addEventListener("click", async () => {
  play(false);
  await choose(Number(button.dataset.layer));
  $("stage").scrollIntoView({ block: "start" });
  $("layer").focus({ preventScroll: true });
});

const canvas = $("layer");
function point(cell) { view.cursor = cell; view.redraw(); say(cell ?? (at ? current.order[at - 1] : null)); }
canvas.addEventListener("pointermove", (event) => current && point(view.cellAt(event)));
canvas.addEventListener("pointerleave", () => current && point(null));
canvas.addEventListener("blur", () => current && point(null));
canvas.addEventListener("keydown", (event) => {
  if (!current || !event.key.startsWith("Arrow") || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  const from = view.cursor ?? current.order[Math.max(at - 1, 0)] ?? 0;
  point(view.cursor === null ? from : view.neighbour(from, event.key));
});

const KEYS = {
  " ": () => play(!playing), ArrowRight: () => { play(false); show(at + 1); }, ArrowLeft: () => { play(false); show(at - 1); },
  Home: () => { play(false); show(0); }, End: () => { play(false); show(current.order.length); },
  n: () => layerBy(1), p: () => layerBy(-1), o: () => mode("order"), b: () => mode("before"), a: () => mode("after"),
};
document.addEventListener("keydown", (event) => {
  if (!current || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  const own = event.target.closest("select, input, button, summary, a");
  if (own && (event.key === " " || event.key.length > 1)) return; // these have keys of their own
  event.preventDefault();
  KEYS[event.key]();
});

new ResizeObserver(() => drawR()).observe($("r-chart") ?? canvas);
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});

async function begin() {
  if (!known.length) return;
  try {
    await choose(known[0]);
    $("stage").hidden = false;
    drawR();
    view.redraw();
    document.body.dataset.ready = "yes";
  } catch (error) {
    put("no-stage", `This browser cannot show the animation (${error.message}). The figures of every layer are below.`);
    $("no-stage").hidden = false;
  }
}
begin();
