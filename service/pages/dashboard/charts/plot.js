// What all charts share: SVG at its size on the screen, grid lines, and a cursor. A chart is one tab stop with the role of a slider:
// pointer and arrow keys move the cursor from point to point, and screen readers announce the values there.

import { element, patch } from "../frame/elements.js";
import { short } from "../text/format.js";
import { gridStep, place, svg } from "./svg.js";

export const TOP = 12;
export const LEFT = 40;
const BOTTOM = 26;
const PAGE = 7; // points that Page Up and Page Down move by

/** To be extended with `length`, `highest`, `x(index)`, `drawMarks(width)`, `drawCursor(index)` and `describe(index)` (`{title, rows, text}`). */
export class Plot {
  #cursor = -1; // the point with the tooltip
  #top = 1; // the value of the highest grid line

  constructor(host, label, height) {
    this.height = height;
    this.width = 0;
    this.root = svg("svg", "plot", null, { height, "aria-hidden": "true" });
    this.grid = svg("g", "grid", this.root);
    this.behind = svg("g", "cursor", this.root);
    this.marks = svg("g", "", this.root);
    this.front = svg("g", "cursor", this.root);
    this.tip = element("div", "tip");
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true");
    this.reach = element("div", "reach");
    const name = `${label}. Use the arrow keys to move from point to point.`;
    const attributes = { role: "slider", tabindex: 0, "aria-label": name, "aria-valuemin": 0, "aria-valuenow": 0 };
    for (const [key, value] of Object.entries(attributes)) this.reach.setAttribute(key, value);
    host.append(element("div", "chart", this.root, this.reach, this.tip));
    this.reach.addEventListener("keydown", (event) => this.#key(event));
    this.reach.addEventListener("focus", () => this.#move(this.#cursor < 0 ? this.start : this.#cursor));
    this.reach.addEventListener("blur", () => this.#move(-1));
    for (const name of ["pointermove", "pointerdown"]) this.reach.addEventListener(name, (event) => this.#point(event));
    this.reach.addEventListener("pointerleave", () => this.#move(document.activeElement === this.reach ? this.#cursor : -1));
    new ResizeObserver(() => this.draw()).observe(host);
  }

  /** The point at which the keyboard begins. */
  get start() {
    return 0;
  }

  y(value) {
    return TOP + (this.height - TOP - BOTTOM) * (1 - value / this.#top);
  }

  draw() {
    this.width = this.root.parentElement.clientWidth;
    if (!this.length || this.width < 3 * LEFT) return;
    const step = gridStep(this.highest);
    this.#top = Math.max(1, Math.ceil(this.highest / step)) * step;
    place(this.root, { width: this.width, viewBox: `0 0 ${this.width} ${this.height}` });
    this.grid.replaceChildren();
    this.marks.replaceChildren();
    for (let value = 0; value <= this.#top; value += step) {
      const y = this.y(value);
      svg("line", value ? "" : "base", this.grid, { x1: LEFT, x2: this.width, y1: y, y2: y });
      svg("text", "", this.grid, { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, short(value));
    }
    this.drawMarks(this.width);
    this.reach.setAttribute("aria-valuemax", this.length - 1);
    this.#move(Math.min(this.#cursor, this.length - 1));
  }

  /** Label the point at `x` below the base line; a label at an edge stays inside. */
  tick(x, text) {
    const [anchor, at] = x < LEFT + 24 ? ["start", Math.max(0, x - 24)] : x > this.width - 24 ? ["end", this.width] : ["middle", x];
    svg("text", "", this.grid, { x: at, y: this.height - 6, "text-anchor": anchor }, text);
  }

  #key(event) {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: PAGE, PageDown: -PAGE, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") return this.#move(-1);
    if (!(event.key in steps) || !this.length) return;
    event.preventDefault();
    this.#move(Math.min(this.length - 1, Math.max(0, (this.#cursor < 0 ? this.start : this.#cursor) + steps[event.key])));
  }

  #point(event) {
    if (!this.length) return;
    const slot = this.length > 1 ? this.x(1) - this.x(0) : 1;
    const x = event.clientX - this.root.getBoundingClientRect().left - this.x(0);
    this.#move(Math.min(this.length - 1, Math.max(0, Math.round(x / slot))));
  }

  /** Put the cursor at a point, or take it away (-1). */
  #move(index) {
    this.#cursor = index;
    const spoken = this.length ? Math.max(index, index < 0 ? this.start : 0) : -1;
    this.reach.setAttribute("aria-valuenow", Math.max(0, spoken));
    this.reach.setAttribute("aria-valuetext", spoken < 0 ? "No points" : this.describe(spoken).text);
    this.behind.replaceChildren();
    this.front.replaceChildren();
    this.tip.hidden = index < 0 || !this.length;
    if (this.tip.hidden) return;
    this.drawCursor(index);
    const { title, rows } = this.describe(index);
    patch(this.tip, element("strong", "", title), ...rows);
    const width = this.tip.offsetWidth;
    const x = this.x(index);
    const left = x + 16 + width > this.width ? x - 16 - width : x + 16;
    this.tip.style.insetInlineStart = `${Math.max(0, left)}px`;
  }
}
