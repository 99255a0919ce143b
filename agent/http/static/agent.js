// The agent's live page: one printer. Everything comes from this server; it only shows.

import { connect } from "./connection.js";
import { $, OUTCOMES, badge, bar, element, ms, put, seconds, showAlarms } from "./format.js";
import { LayerView } from "./layer.js";
import { Timeline } from "./timeline.js";

const ROWS_MAX = 1000;
const FALLBACKS_SHOWN = 20;
const SMOOTH_MS = 400; // windows longer than this are counted down between updates

const STATES = {
  idle: ["idle", ""],
  loading: ["loading", "busy"],
  warming: ["spreading powder", "busy"],
  printing: ["printing", "good"],
  degraded: ["printing, degraded", "warn"],
  fault: ["machine fault", "bad"],
};

const view = new LayerView($("layer"), $("scale"));
const timeline = new Timeline($("timeline"));
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

let state = null;
let cameMs = 0;
let rows = [];
let nextRow = 0;
let order = [];
let fallbackWindows = new Set();
let layerNumber = null;
let shownGeometry = null;
let shownMap = 0;

function update(message) {
  const previous = state;
  state = message.state;
  cameMs = performance.now();
  takeRows(message);
  takeOrder(message, previous);
  showHead();
  showLayer();
  showWindow();
  showFigures();
}

function takeRows(message) {
  const known = nextRow - message.first_row;
  const fresh = known > 0 ? message.rows.slice(known) : message.rows;
  if (message.first_row > nextRow) rows = []; // some were missed while away
  if (nextRow > message.first_row + message.rows.length) rows = message.rows.slice(); // the agent was started anew
  else rows = rows.concat(fresh).slice(-ROWS_MAX);
  nextRow = message.first_row + message.rows.length;
  timeline.setRows(rows);
  if (fresh.some((row) => row[3] !== "on_time") || message.order) showFallbacks();
}

function takeOrder(message) {
  const layer = state.layer;
  if (!layer) { order = []; return; }
  if (message.order) {
    order = message.order;
    fallbackWindows = new Set(message.fallback_windows);
    layerNumber = layer.layer;
  } else if (layer.layer !== layerNumber) {
    order = [];
    fallbackWindows = new Set();
    layerNumber = layer.layer;
  }
  for (const [number, window, cell, outcome] of message.rows) {
    if (number !== layer.layer) continue;
    order[window] = cell;
    if (outcome !== "on_time") fallbackWindows.add(window);
  }
  if (state.window) order[state.window.window] = state.window.cell;
}

function showHead() {
  put("printer", state.printer);
  const words = STATES[state.state] ?? [state.state, ""];
  badge("state", words[0], words[1]);
  document.title = `${state.printer}: ${words[0]}`;
  const { link } = state.link;
  badge("link", { up: "link up", down: "link down", none: "no coordinator" }[link], { up: "good", down: "bad", none: "" }[link]);
  badge("recording", { on: "recording", off: "not recorded", stopped: "recording stopped" }[state.recording],
    { on: "good", off: "", stopped: "bad" }[state.recording]);
  const job = state.job;
  put("job-name", job ? `job ${job.name}, part ${job.part}${job.reason ? `, ended: ${job.reason}` : ""}` : "no job yet");
  showAlarms($("alarms"), state.alarms, "No alarms.");
  put("version", `cosmic-agent ${state.version}`);
}

function showLayer() {
  const layer = state.layer;
  $("layer-none").hidden = Boolean(layer);
  if (!layer) return;
  put("layer-words", `${layer.layer + 1}${state.job ? ` of ${state.job.layers}` : ""} · ${layer.printed} of ${layer.cells} cells`
    + (layer.fallbacks ? ` · ${layer.fallbacks} fallbacks` : ""));
  if (layer.geometry !== shownGeometry) loadGeometry(layer.geometry);
  else if (layer.map_version !== shownMap) loadMap(layer.map_version);
  view.setOrder(order.filter((cell) => cell !== undefined), fallbackWindows, Boolean(state.window));
  showTicks();
  $("layer").setAttribute("aria-label", `Layer ${layer.layer + 1}: ${layer.printed} of ${layer.cells} cells scanned, `
    + `${layer.fallbacks} fallbacks` + (layer.map_min_K === null ? "" : `, ${layer.map_min_K} to ${layer.map_max_K} kelvin`));
}

function showTicks() {
  const words = view.ticks();
  const node = $("ticks");
  if (node.dataset.key === words.join()) return;
  node.dataset.key = words.join();
  node.replaceChildren(...words.map((text) => element("span", {}, text)));
}

async function load(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function loadGeometry(number) {
  shownGeometry = number;
  shownMap = 0;
  try {
    view.setGeometry(await load(`/api/geometry/${number}`));
    showLayer();
  } catch { shownGeometry = null; } // tried again with the next update
}

async function loadMap(version) {
  shownMap = version;
  if (version === 0) { view.clearMap(); showTicks(); return; }
  try {
    const image = await load("/api/map");
    shownMap = image.map_version;
    view.setMap(image);
    showTicks();
  } catch { shownMap = -1; }
}

function showWindow() {
  const { window: current, layer, job } = state;
  if (layer) {
    const left = current ? `${seconds(current.layer_left_s)} left` : layer.ended ? "done" : "waits for its first cell";
    put("layer-left", `${layer.printed} of ${layer.cells} windows, ${left}`);
    bar("layer-bar", layer.printed, layer.cells, `${layer.printed} of ${layer.cells} windows`);
  }
  if (job) {
    put("job-words", `${job.layers_done} of ${job.layers} layers`);
    const part = layer && !layer.ended && layer.cells ? layer.printed / layer.cells : 0;
    bar("job-bar", job.layers_done + part, job.layers, `${job.layers_done} of ${job.layers} layers`);
  }
  drawClock();
}

function drawClock() {
  const ring = $("clock-ring");
  const spent = performance.now() - cameMs;
  const { window: current, spreading_left_s: spreading } = state;
  let share = 0, text = "–", unit = "no window", words = "";
  if (current) {
    const smooth = current.length_ms >= SMOOTH_MS && !still.matches ? spent : 0;
    const left = Math.max(current.left_ms - smooth, 0);
    share = Math.min(left / current.length_ms, 1);
    text = left >= 1000 ? (left / 1000).toFixed(1) : left.toFixed(0);
    unit = left >= 1000 ? "s left" : "ms left";
    words = `${current.window + 1}: cell ${current.cell}, ${ms(current.length_ms)}`;
  } else if (spreading !== null) {
    const left = Math.max(spreading - (still.matches ? 0 : spent / 1000), 0);
    text = left.toFixed(1); unit = "s of spreading"; words = "powder is being laid";
    share = Math.min(left / Math.max(left, longestSpreading(left)), 1);
  }
  ring.setAttribute("stroke-dasharray", `${share.toFixed(4)} 1`);
  put("clock-text", text);
  put("clock-unit", unit);
  put("window-words", words);
}

let spreadingMost = 0;
function longestSpreading(left) {
  spreadingMost = Math.max(spreadingMost, left, 0.1);
  return spreadingMost;
}

function animate() {
  const current = state?.window;
  const moving = state && !document.body.classList.contains("stale") && !still.matches
    && ((current && current.length_ms >= SMOOTH_MS) || (!current && state.spreading_left_s !== null));
  if (moving) drawClock();
  requestAnimationFrame(animate);
}

function showFigures() {
  const { slack, link, workers, layer, job } = state;
  put("slack-median", ms(slack.median_ms));
  put("slack-min", ms(slack.min_ms));
  put("waiting", `${state.decisions_waiting}`);
  put("fallbacks", `${(job?.fallbacks ?? 0) + (layer && !layer.ended ? layer.fallbacks : 0)}`);
  put("link-words", { up: "up", down: `down: ${link.cause || "no answer yet"}`, none: "none configured: the printer prints on its own" }[link.link]);
  put("engine", link.engine || (state.state === "loading" ? `loading, ${link.loading_percent} %` : "–"));
  put("losses", String(link.losses));
  put("ahead", ms(slack.ahead_ms_median));
  put("workers", workers ? (workers.workers ? `${workers.warm} warm, ${workers.cold} cold, ${workers.reloaded} reloaded` : "none needed") : "–");
  put("lag", `${ms(state.loop_lag_ms)} late`);
  put("uniformity", layer?.uniformity ? layer.uniformity.toFixed(5) : "–");
  put("map-words", layer?.map_from ? `${layer.map_from}, ${layer.map_min_K.toFixed(0)} to ${layer.map_max_K.toFixed(0)} K` : "–");
}

function showFallbacks() {
  const fallen = rows.filter((row) => row[3] !== "on_time").slice(-FALLBACKS_SHOWN).reverse();
  $("fallback-table").hidden = !fallen.length;
  put("fallback-words", fallen.length ? `the last ${fallen.length}` : "None: every window had its decision in time.");
  $("fallback-rows").replaceChildren(...fallen.map(([layer, window, cell, outcome, , , cause]) => element("tr", {},
    element("td", {}, String(layer + 1)), element("td", {}, String(window + 1)), element("td", {}, String(cell)),
    element("td", {}, `▲ ${OUTCOMES[outcome] ?? outcome}`), element("td", {}, cause || "–"))));
}

// --- pointing and keys ---------------------------------------------------------------------------------------------

function sayCell(cell) {
  view.cursor = cell;
  view.redraw();
  if (cell === null) return put("cell", "Point at a cell, or focus the picture and use the arrow keys.");
  const window = order.indexOf(cell);
  const kelvin = view.meanKelvin(cell);
  const scanned = window < 0 ? "not scanned yet"
    : window === state?.window?.window ? `being scanned in window ${window + 1}` : `scanned in window ${window + 1}`;
  const how = window >= 0 && fallbackWindows.has(window) ? `, ${causeOf(window)}` : "";
  put("cell", `Cell ${cell}: ${kelvin === null ? "" : `${kelvin.toFixed(1)} K in the map, `}${scanned}${how}.`);
}

function causeOf(window) {
  const row = rows.findLast((one) => one[0] === layerNumber && one[1] === window);
  return row ? `${OUTCOMES[row[3]]} (${row[6] || "no cause given"})` : "fallback";
}

const layerCanvas = $("layer");
layerCanvas.addEventListener("pointermove", (event) => sayCell(view.cellAt(event)));
layerCanvas.addEventListener("pointerleave", () => sayCell(null));
layerCanvas.addEventListener("blur", () => sayCell(null));
layerCanvas.addEventListener("keydown", (event) => {
  if (!view.geometry || !event.key.startsWith("Arrow")) return;
  event.preventDefault();
  const from = view.cursor ?? order.at(-1) ?? 0;
  sayCell(view.cursor === null ? from : view.neighbour(from, event.key));
});

function sayRow(index) {
  timeline.cursor = index;
  timeline.redraw();
  const row = index === null ? null : timeline.rows[index];
  if (!row) return put("slack-cell", "Point at a bar, or focus the chart and use the arrow keys.");
  const [layer, window, cell, outcome, slack, ahead, cause] = row;
  put("slack-cell", `Layer ${layer + 1}, window ${window + 1}, cell ${cell}: ${ms(slack)} left, ${OUTCOMES[outcome]}`
    + (ahead === null ? "" : `, decided ${ms(ahead)} ahead`) + (cause ? ` (${cause})` : "") + ".");
}

const chart = $("timeline");
chart.addEventListener("pointermove", (event) => sayRow(timeline.indexAt(event)));
chart.addEventListener("pointerleave", () => sayRow(null));
chart.addEventListener("blur", () => sayRow(null));
chart.addEventListener("keydown", (event) => {
  const last = timeline.rows.length - 1;
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  if (last < 0 || !(event.key in steps)) return;
  event.preventDefault();
  sayRow(Math.max(0, Math.min(last, (timeline.cursor ?? last) + (timeline.cursor === null ? 0 : steps[event.key]))));
});

for (const mode of ["temperature", "order"]) {
  $(`mode-${mode}`).addEventListener("click", () => {
    view.setMode(mode);
    for (const other of ["temperature", "order"]) $(`mode-${other}`).setAttribute("aria-pressed", String(other === mode));
    showTicks();
  });
}

showFallbacks();
connect("/api/events", update);
requestAnimationFrame(animate);
