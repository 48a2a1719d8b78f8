// Column charts, drawn as SVG at their size on the screen; each is one tab stop, and the arrow keys move between its columns.

import { write } from "./elements.js";
import { count, short } from "./format.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 240;
const TOP = 34; // space for a tooltip above the highest column and its number
const TIP = -6;
const BOTTOM = 24; // space for the ticks below
const LEFT = 36;
const SIZES = [12, 10]; // font sizes of the numbers above the columns; the smaller one if space is short
const DIGIT = 0.65; // the width of a digit as a part of the font size

/** The step between grid lines: 1, 2 or 5 times a power of ten, for about four lines up to the highest value. */
export function gridStep(highest) {
  const rough = Math.max(1, highest / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

function svg(name, className, parent, attributes = {}) {
  const node = document.createElementNS(NAMESPACE, name);
  if (className) node.setAttribute("class", className);
  place(node, attributes);
  parent?.append(node);
  return node;
}

function place(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value);
  }
}

/** A chart with one column for each of `names`; `ticks` are short names below them, `label` describes the chart. */
export class Columns {
  #values = [];
  #before = null;
  #current = 0; // the column with the tab stop
  #hovered = -1; // the column with the tooltip

  constructor(host, { label, names, ticks }) {
    this.names = names;
    this.ticks = ticks;
    this.root = svg("svg", "columns", host, { role: "group", height: HEIGHT });
    this.root.setAttribute("aria-label", `${label}. Use the arrow keys to move between columns.`);
    this.grid = svg("g", "grid", this.root, { "aria-hidden": "true" });
    this.bars = names.map((_, index) => this.#bar(index));
    this.tip = svg("g", "tip", this.root, { "aria-hidden": "true", visibility: "hidden" });
    this.tipBox = svg("rect", "", this.tip, { rx: 5, height: 22 });
    this.tipText = svg("text", "", this.tip, { "text-anchor": "middle" });
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("pointerleave", () => this.#showTip(-1));
    this.root.addEventListener("focusout", () => this.#showTip(-1));
    new ResizeObserver(() => this.#draw()).observe(host);
  }

  /** Show values; `before` (or null) are those of the previous period, shown as a mark on each column. */
  update(values, before) {
    this.#values = values;
    this.#before = before;
    this.#draw();
  }

  #bar(index) {
    const group = svg("g", "bar", this.root, { role: "img", tabindex: index ? -1 : 0 });
    const bar = {
      group,
      reach: svg("rect", "reach", group),
      value: svg("rect", "value", group, { rx: 2 }),
      before: svg("line", "before", group),
      number: svg("text", "number", group, { "text-anchor": "middle", "aria-hidden": "true" }),
      tick: svg("text", "tick", group, { "text-anchor": "middle", "aria-hidden": "true" }),
    };
    bar.tick.textContent = this.ticks[index];
    group.addEventListener("pointerenter", () => this.#showTip(index));
    group.addEventListener("focus", () => {
      this.#moveTabStop(index);
      this.#showTip(index);
    });
    return bar;
  }

  #key(event) {
    const last = this.bars.length - 1;
    const to = { ArrowRight: this.#current + 1, ArrowLeft: this.#current - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.bars[Math.min(last, Math.max(0, to))].group.focus();
  }

  #moveTabStop(index) {
    this.bars[this.#current].group.setAttribute("tabindex", -1);
    this.bars[index].group.setAttribute("tabindex", 0);
    this.#current = index;
  }

  #draw() {
    const width = this.root.parentElement.clientWidth;
    if (width < 3 * LEFT || !this.#values.length) return;
    const highest = Math.max(1, ...this.#values, ...(this.#before ?? []));
    const step = gridStep(highest);
    const top = Math.ceil(highest / step) * step;
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const slot = (width - LEFT) / this.bars.length;
    const numbers = [count, short].flatMap((form) => SIZES.map((size) => ({ form, size })));
    const fit = numbers.find(({ form, size }) => this.#values.every((value) => form(value).length * DIGIT * size < slot));
    place(this.root, { width, viewBox: `0 0 ${width} ${HEIGHT}` });
    this.#drawGrid(width, top, step, y);
    this.bars.forEach((bar, index) => this.#drawBar(bar, index, { slot, y, fit }));
    this.#showTip(this.#hovered);
  }

  #drawGrid(width, top, step, y) {
    this.grid.replaceChildren();
    for (let value = 0; value <= top; value += step) {
      svg("line", value ? "" : "base", this.grid, { x1: LEFT, x2: width, y1: y(value), y2: y(value) });
      const text = svg("text", "tick", this.grid, { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" });
      text.textContent = short(value);
    }
  }

  #drawBar(bar, index, { slot, y, fit }) {
    const value = this.#values[index];
    const before = this.#before?.[index];
    const x = LEFT + slot * index;
    const gap = Math.min(14, slot * 0.16);
    const middle = x + slot / 2;
    place(bar.reach, { x, y: 0, width: slot, height: HEIGHT });
    place(bar.value, { x: x + gap, width: slot - 2 * gap, y: y(value), height: y(0) - y(value) });
    const marked = before !== undefined && before + value > 0;
    place(bar.before, { x1: x + gap / 2, x2: x + slot - gap / 2, visibility: marked ? "inherit" : "hidden" });
    if (marked) place(bar.before, { y1: y(before), y2: y(before) });
    place(bar.tick, { x: middle, y: HEIGHT - 6, visibility: slot > 22 || index % 3 === 0 ? "inherit" : "hidden" });
    bar.top = Math.min(y(value), marked ? y(before) : HEIGHT);
    // Either all columns show their number, or none does.
    place(bar.number, { x: middle, y: bar.top - 6, visibility: fit && value ? "inherit" : "hidden" });
    if (fit) place(bar.number, { "font-size": fit.size });
    write(bar.number, fit ? fit.form(value) : "");
    bar.group.setAttribute("aria-label", this.#label(index));
  }

  #label(index) {
    const before = this.#before ? `, previous period: ${count(this.#before[index])}` : "";
    return `${this.names[index]}: ${count(this.#values[index])}${before}`;
  }

  #showTip(index) {
    this.#hovered = index;
    for (const [at, bar] of this.bars.entries()) bar.group.classList.toggle("on", at === index);
    place(this.tip, { visibility: index < 0 || !this.#values.length ? "hidden" : "visible" });
    if (index < 0 || !this.#values.length) return;
    write(this.tipText, this.#label(index));
    const width = this.tipText.getComputedTextLength() + 20;
    const bar = this.bars[index];
    const middle = Number(bar.tick.getAttribute("x"));
    const x = Math.max(0, Math.min(Number(this.root.getAttribute("width")) - width, middle - width / 2));
    place(this.tipBox, { x, y: TIP, width });
    place(this.tipText, { x: x + width / 2, y: TIP + 15.5 });
  }
}
