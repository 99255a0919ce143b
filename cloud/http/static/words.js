// How the coordinator's pages say what a printer does.

export const STATES = {
  deciding: ["deciding", "good"],
  ready: ["between layers", "busy"],
  opening: ["opening a job", "busy"],
  away: ["not connected", "warn"],
};

export function workers(states) {
  const said = Object.entries(states).filter(([, count]) => count).map(([word, count]) => `${count} ${word}`);
  return said.length ? said.join(", ") : "none needed";
}

export function dollars(value) {
  if (value === null || value === undefined) return "–";
  return value === 0 ? "$0" : `$${value.toFixed(value < 0.01 ? 6 : value < 1 ? 4 : 2)}`;
}

export const clock = (text) => text ? new Date(text).toLocaleTimeString() : "–";
