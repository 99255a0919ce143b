// Slack, window by window: how much time was left when a cell was handed over. Fallbacks are marked by shape.

import { sized, themeColour } from "./format.js";

const KEPT = 300;
const BAR_PX = 5;

export class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.all = [];
    this.rows = [];
    this.cursor = null;
    this.pending = false;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  setRows(rows) { this.all = rows.slice(-KEPT); this.redraw(); }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  frame() {
    const { width, height, ratio } = sized(this.canvas);
    const left = 52 * ratio, right = width - 8 * ratio, top = 14 * ratio, bottom = height - 24 * ratio;
    const shown = Math.max(20, Math.min(KEPT, Math.floor((right - left) / (BAR_PX * ratio))));
    this.rows = this.all.slice(-shown);
    return { width, height, ratio, left, right, top, bottom, shown, step: (right - left) / shown };
  }

  draw() {
    const at = this.frame();
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, at.width, at.height);
    const most = Math.max(10, ...this.rows.map((row) => row[4]));
    const least = Math.min(0, ...this.rows.map((row) => row[4]));
    const y = (value) => at.bottom - ((value - least) / (most - least)) * (at.bottom - at.top);
    this.axes(context, at, y, least, most);
    const first = at.shown - this.rows.length;
    this.rows.forEach((row, index) => {
      const [layer, , , outcome, slack] = row;
      const x = at.left + (first + index) * at.step;
      const fallback = outcome !== "on_time";
      context.fillStyle = themeColour(fallback || slack < 0 ? "chart-fall" : "chart");
      const top = Math.min(y(slack), y(0)), high = Math.max(Math.abs(y(slack) - y(0)), 2 * at.ratio);
      context.fillRect(x, top, Math.max(at.step - at.ratio, at.ratio), high);
      if (fallback) {
        const middle = x + at.step / 2, size = 5 * at.ratio;
        context.beginPath(); context.moveTo(middle, top - 2 * size); context.lineTo(middle + size, top - 2 * at.ratio);
        context.lineTo(middle - size, top - 2 * at.ratio); context.closePath(); context.fill();
      }
      if (index && this.rows[index - 1][0] !== layer) this.boundary(context, at, x, layer);
    });
    if (this.cursor !== null && this.rows.length) {
      const index = Math.min(this.cursor, this.rows.length - 1);
      const x = at.left + (first + index + 0.5) * at.step;
      context.strokeStyle = themeColour("text"); context.lineWidth = 1.5 * at.ratio;
      context.beginPath(); context.moveTo(x, at.top); context.lineTo(x, at.bottom); context.stroke();
    }
  }

  axes(context, at, y, least, most) {
    context.font = `${11.5 * at.ratio}px system-ui, sans-serif`;
    context.fillStyle = themeColour("quiet");
    context.textAlign = "right"; context.textBaseline = "middle";
    for (const value of [...new Set([least, 0, most / 2, most])]) {
      context.fillText(`${value.toFixed(0)} ms`, at.left - 6 * at.ratio, y(value));
      context.strokeStyle = themeColour(value === 0 ? "line-strong" : "line");
      context.lineWidth = at.ratio;
      context.beginPath(); context.moveTo(at.left, y(value)); context.lineTo(at.right, y(value)); context.stroke();
    }
    context.textAlign = "left";
    context.fillText("0: the deadline; newest on the right", at.left, at.height - 8 * at.ratio);
  }

  boundary(context, at, x, layer) {
    context.strokeStyle = themeColour("line-strong");
    context.setLineDash([3 * at.ratio, 3 * at.ratio]);
    context.beginPath(); context.moveTo(x, at.top); context.lineTo(x, at.bottom); context.stroke();
    context.setLineDash([]);
    context.fillStyle = themeColour("quiet");
    context.textAlign = "left"; context.textBaseline = "top";
    context.fillText(`layer ${layer + 1}`, x + 3 * at.ratio, 0);
    context.textBaseline = "middle";
  }

  indexAt(event) {
    const at = this.frame();
    const x = (event.clientX - this.canvas.getBoundingClientRect().left) * at.ratio;
    const index = Math.floor((x - at.left) / at.step) - (at.shown - this.rows.length);
    return index >= 0 && index < this.rows.length ? index : null;
  }
}
