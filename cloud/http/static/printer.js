// The coordinator's page of one printer: the layer being decided, how far ahead, the engine, the layers before.

import { connect } from "./connection.js";
import { $, badge, bar, element, ms, put, showAlarms } from "./format.js";
import { LayerView } from "./layer.js";
import { STATES, clock, dollars, workers } from "./words.js";

const name = location.pathname.slice("/printers/".length);
const view = new LayerView($("layer"), $("scale"));
view.mode = "order";
let order = [];
let printed = 0;
let shownMap = 0;
let layersKey = "";

function update(detail) {
  if (!detail) return;
  const printer = detail.printer;
  put("printer", printer.printer);
  document.title = `${printer.printer}: ${STATES[printer.state][0]}`;
  badge("state", STATES[printer.state][0], STATES[printer.state][1]);
  put("job-name", printer.job ? `job ${printer.job}${printer.part ? `, part ${printer.part}` : ""}` : "no job yet");
  showAlarms($("alarms"), detail.alarms, "No alarms.");
  showLayer(detail, printer);
  showFigures(printer);
  showLayers(detail.layers);
}

function showLayer(detail, printer) {
  $("layer-none").hidden = printer.layer !== null || Boolean(view.geometry);
  if (printer.layer === null) { put("layer-words", "none is being decided"); return; }
  put("layer-words", `${printer.layer + 1} of ${printer.layers}`);
  order = detail.order;
  printed = printer.printed;
  if (detail.map_version !== shownMap) loadPicture(detail.map_version);
  view.setOrder(order.slice(0, Math.min(printed + 1, order.length)), new Set(), printed < order.length);
  showTicks();
  $("layer").setAttribute("aria-label", `Layer ${printer.layer + 1}: ${printed} of ${printer.cells} windows printed, ${printer.decided} decided`);
}

async function loadPicture(version) {
  shownMap = version;
  try {
    const path = `/api/printers/${name}`;
    const [geometry, map] = await Promise.all(["geometry", "map"].map(async (what) => {
      const answer = await fetch(`${path}/${what}`);
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }));
    if (!view.geometry || view.geometry.cell_of !== geometry.cell_of) view.setGeometry(geometry);
    view.setMap(map);
    showTicks();
  } catch { shownMap = 0; } // the layer is over: tried again with the next update
}

function showTicks() {
  const words = view.ticks();
  if ($("ticks").dataset.key === words.join()) return;
  $("ticks").dataset.key = words.join();
  $("ticks").replaceChildren(...words.map((text) => element("span", {}, text)));
}

function showFigures(printer) {
  const deciding = printer.layer !== null;
  put("ahead", deciding ? `${printer.ahead}` : "–");
  put("fallbacks", `${printer.fallbacks}`);
  put("dollars", printer.cost ? dollars(printer.cost.dollars) : "–");
  put("printed-words", deciding ? `${printer.printed} of ${printer.cells}` : "–");
  bar("printed-bar", printer.printed, printer.cells, `${printer.printed} of ${printer.cells}`);
  put("decided-words", deciding ? `${printer.decided} of ${printer.cells}` : "–");
  bar("decided-bar", printer.decided, printer.cells, `${printer.decided} of ${printer.cells}`);
  put("engine", printer.engine || "–");
  put("workers", printer.engine ? workers(printer.workers) : "–");
  put("cold", `${printer.cold}, ${printer.reloaded}`);
  put("lookahead", printer.lookahead === null ? "whole layer" : `${printer.lookahead} windows`);
  put("epoch", `${printer.epoch}`);
  put("usage", printer.cost ? `${printer.cost.gb_seconds}, ${printer.cost.requests}` : "nothing billed");
  put("seen", clock(printer.seen));
}

function showLayers(layers) {
  const key = JSON.stringify(layers);
  if (key === layersKey) return;
  layersKey = key;
  $("layers-table").hidden = !layers.length;
  put("layers-words", layers.length ? `the last ${layers.length}` : "None is over yet.");
  const cell = (text) => element("td", { class: "number" }, text);
  $("layers").replaceChildren(...layers.toReversed().map(([layer, outcome, windows, decided, fallbacks, compute, uniformity]) =>
    element("tr", {}, element("td", {}, String(layer + 1)), element("td", {}, outcome), cell(String(windows)), cell(String(decided)),
      cell(fallbacks === null ? "–" : `${fallbacks ? "▲ " : ""}${fallbacks}`), cell(ms(compute)), cell(uniformity === null ? "–" : uniformity.toFixed(5)))));
}

function sayCell(cell) {
  view.cursor = cell;
  view.redraw();
  if (cell === null) return put("cell", "Point at a cell, or focus the picture and use the arrow keys.");
  const window = order.indexOf(cell);
  const kelvin = view.meanKelvin(cell);
  const how = window < 0 ? "not decided yet" : window < printed ? `printed in window ${window + 1}`
    : window === printed ? `being scanned in window ${window + 1}` : `decided for window ${window + 1}`;
  put("cell", `Cell ${cell}: ${kelvin === null ? "" : `${kelvin.toFixed(1)} K in the map, `}${how}.`);
}

const canvas = $("layer");
canvas.addEventListener("pointermove", (event) => sayCell(view.cellAt(event)));
canvas.addEventListener("pointerleave", () => sayCell(null));
canvas.addEventListener("blur", () => sayCell(null));
canvas.addEventListener("keydown", (event) => {
  if (!view.geometry || !event.key.startsWith("Arrow")) return;
  event.preventDefault();
  const from = view.cursor ?? order[printed] ?? 0;
  sayCell(view.cursor === null ? from : view.neighbour(from, event.key));
});

for (const mode of ["temperature", "order"]) {
  $(`mode-${mode}`).addEventListener("click", () => {
    view.setMode(mode);
    for (const other of ["temperature", "order"]) $(`mode-${other}`).setAttribute("aria-pressed", String(other === mode));
    showTicks();
  });
}

connect(`/api/printers/${name}/events`, update);
