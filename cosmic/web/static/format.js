// Words, numbers and small parts of the document that both pages use.

export const $ = (id) => document.getElementById(id);

export function put(id, text) {
  const node = typeof id === "string" ? $(id) : id;
  if (node && node.textContent !== text) node.textContent = text;
}

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function badge(id, text, tone) {
  put(id, text);
  $(id).dataset.tone = tone;
}

export function bar(id, done, all, words) {
  const node = $(id);
  const share = all > 0 ? Math.min(done / all, 1) : 0;
  node.firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
  node.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  node.setAttribute("aria-valuetext", words);
}

export const ms = (value) => value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0)} ms`;

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 60) return `${value.toFixed(1)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(value % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const OUTCOMES = {
  on_time: "decided in time",
  fallback_timeout: "fallback: no decision in time",
  fallback_disconnected: "fallback: link down",
  fallback_rejected: "fallback: decision not valid",
  fallback_machine: "the machine scanned another cell",
};

export function showAlarms(list, alarms, nothing) {
  const key = JSON.stringify(alarms);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const items = alarms.map((alarm) => element("li", { "data-level": alarm.level, "data-kind": alarm.kind },
    element("span", { class: "level" }, alarm.level === "alarm" ? "■ Alarm" : "▲ Warning"),
    element("span", {}, alarm.text + "."),
    element("span", { class: "remedy" }, element("b", {}, "What to do: "), alarm.remedy + ".")));
  if (!items.length) items.push(element("li", { "data-level": "none" }, element("span", { class: "level" }, "✓"), element("span", {}, nothing)));
  list.replaceChildren(...items);
}

export function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function bytes(base64) {
  const text = atob(base64);
  const found = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
  return found.buffer;
}

export function sized(canvas) {
  // Give a canvas the pixels that it covers on the screen.
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  const changed = canvas.width !== width || canvas.height !== height;
  if (changed) { canvas.width = width; canvas.height = height; }
  return { ratio, width, height, changed };
}
