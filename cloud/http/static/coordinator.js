// The coordinator's live page: all its printers. Everything comes from this server; it only shows.

import { connect } from "./connection.js";
import { $, badge, bar, element, ms, put, showAlarms } from "./format.js";
import { STATES, clock, dollars, workers } from "./words.js";

const cards = new Map();

function update(state) {
  badge("ready", state.ready ? "not ready" : "ready", state.ready ? "bad" : "good");
  put("where", `${state.listening}, engine ${state.engine}, ${state.parts_loaded} parts loaded`);
  showAlarms($("alarms"), state.alarms, "No alarms.");
  const count = (word) => state.printers.filter((one) => one.state === word).length;
  put("connected", `${state.printers.filter((one) => one.connected).length}`);
  put("deciding", `${count("deciding")}`);
  put("decisions", state.decisions.toLocaleString());
  put("decision-ms", ms(state.decision_ms_mean));
  put("product-ms", ms(state.product_ms_mean));
  put("dollars", dollars(state.dollars));
  put("gb-seconds", state.gb_seconds.toLocaleString(undefined, { maximumFractionDigits: 1 }));
  put("printers-words", state.printers.length ? `${state.printers.length} known since the start` : "None has connected since the start.");
  put("version", `cosmic-cloud ${state.version}`);
  showPrinters(state.printers);
}

function showPrinters(printers) {
  const names = new Set(printers.map((one) => one.printer));
  for (const [name, card] of cards) if (!names.has(name)) { card.remove(); cards.delete(name); }
  for (const printer of printers) {
    let card = cards.get(printer.printer);
    if (!card) {
      card = newCard(printer.printer, cards.size);
      cards.set(printer.printer, card);
      $("printers").append(card);
    }
    fill(card.dataset.key, printer);
  }
}

function newCard(name, number) {
  const id = (part) => `printer-${number}-${part}`;
  const fact = (label, part) => [element("dt", {}, label), element("dd", { id: id(part) }, "–")];
  const card = element("li", { "data-printer": name },
    element("header", {}, element("h3", {}, element("a", { href: `/printers/${encodeURIComponent(name)}` }, name)),
      element("span", { class: "badge", id: id("state") }, "–")),
    element("dl", { class: "facts" }, ...fact("Job", "job"), ...fact("Layer", "layer"), ...fact("Engine", "engine"),
      ...fact("Workers", "workers"), ...fact("Decided ahead", "ahead"), ...fact("Fallbacks", "fallbacks"), ...fact("Cost", "cost"), ...fact("Heard of", "seen")),
    element("div", { class: "bar", id: id("bar"), role: "progressbar", "aria-label": `Progress of the layer of ${name}`, "aria-valuemin": "0", "aria-valuemax": "100" }, element("i")));
  card.dataset.key = `printer-${number}`;
  return card;
}

function fill(key, printer) {
  const words = STATES[printer.state];
  badge(`${key}-state`, words[0], words[1]);
  put(`${key}-job`, printer.job || "–");
  put(`${key}-layer`, printer.layer === null ? "–" : `${printer.layer + 1} of ${printer.layers}, window ${printer.printed + 1 > printer.cells ? printer.cells : printer.printed + 1} of ${printer.cells}`);
  put(`${key}-engine`, printer.engine || "–");
  put(`${key}-workers`, printer.engine ? workers(printer.workers) : "–");
  put(`${key}-ahead`, printer.layer === null ? "–" : `${printer.ahead} of ${printer.lookahead ?? printer.cells} windows`);
  put(`${key}-fallbacks`, `${printer.fallbacks} of ${printer.windows} windows`);
  put(`${key}-cost`, printer.cost ? `${dollars(printer.cost.dollars)}${printer.cost.final ? "" : " so far"}` : "nothing billed");
  put(`${key}-seen`, clock(printer.seen));
  bar(`${key}-bar`, printer.printed, printer.cells, `${printer.printed} of ${printer.cells} windows`);
}

connect("/api/events", update);
