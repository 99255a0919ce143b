// Keeps a page up to date: server-sent events that connect again by themselves, and honest words when data is old.

const STALE_MS = 3500; // the server says something once a second at least
const AGAIN_MS = 2000;

export function connect(url, onUpdate) {
  const note = document.getElementById("stale");
  const fresh = document.getElementById("fresh");
  let source = null;
  let lastMs = null;
  let lastClock = "";
  let stale = null;

  function open() {
    source = new EventSource(url);
    source.addEventListener("update", (event) => {
      lastMs = performance.now();
      lastClock = new Date().toLocaleTimeString();
      onUpdate(JSON.parse(event.data));
      look();
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS); // refused: the browser gave up, we do not
      look();
    });
  }

  function look() {
    const ageMs = lastMs === null ? Infinity : performance.now() - lastMs;
    const isStale = ageMs > STALE_MS;
    if (isStale !== stale) {
      stale = isStale;
      document.body.classList.toggle("stale", stale && lastMs !== null);
      note.hidden = !stale;
    }
    const words = lastMs === null
      ? "No data yet. Connecting …"
      : `No data since ${lastClock} (${Math.round(ageMs / 1000)} s): what you see is old. Connecting again …`;
    if (stale && note.textContent !== words) note.textContent = words;
    const now = stale ? "not connected" : "live";
    if (fresh.textContent !== now) fresh.textContent = now;
  }

  open();
  look();
  setInterval(look, 500);
}
