// A column chart, with a mark on each column for the period compared with.

import { element } from "../frame/elements.js";
import { count, short } from "../text/format.js";
import { LEFT, Plot } from "./plot.js";
import { svg } from "./svg.js";

const HEIGHT = 230;
const SIZES = [12, 10]; // font sizes of the numbers above the columns; the smaller one if space is short
const DIGIT = 0.65; // the width of a digit as a part of the font size

/** A chart with one column for each of `names`; `ticks` are short names below them, `label` describes the chart. */
export class Columns extends Plot {
  #values = [];
  #before = null;

  constructor(host, { label, names, ticks }) {
    super(host, label, HEIGHT);
    Object.assign(this, { names, ticks });
  }

  /** Show values; `before` (or null) are those of the period compared with. */
  update(values, before) {
    this.#values = values;
    this.#before = before;
    this.draw();
  }

  get length() {
    return this.#values.length;
  }

  get highest() {
    return 1.08 * Math.max(1, ...this.#values, ...(this.#before ?? [])); // with room for a number above the column
  }

  get #slot() {
    return (this.width - LEFT) / this.length;
  }

  x(index) {
    return LEFT + this.#slot * (index + 0.5);
  }

  drawMarks() {
    const slot = this.#slot;
    const gap = Math.min(14, slot * 0.16);
    const forms = [count, short].flatMap((form) => SIZES.map((size) => ({ form, size })));
    // Either all columns show their number, or none does.
    const fit = forms.find(({ form, size }) => this.#values.every((value) => form(value).length * DIGIT * size < slot));
    this.#values.forEach((value, index) => {
      const x = this.x(index);
      const before = this.#before?.[index] ?? 0;
      if (value) svg("rect", "value", this.marks, { x: x - slot / 2 + gap, width: slot - 2 * gap, y: this.y(value), height: this.y(0) - this.y(value), rx: 2 });
      const y = this.y(before);
      if (this.#before && before + value) svg("line", "mark", this.marks, { x1: x - slot / 2 + gap / 2, x2: x + slot / 2 - gap / 2, y1: y, y2: y });
      const above = { x, y: this.y(Math.max(value, before)) - 6, "text-anchor": "middle", "font-size": fit?.size };
      if (fit && value) svg("text", "number", this.marks, above, fit.form(value));
      if (slot > 22 || index % 3 === 0) svg("text", "", this.grid, { x, y: HEIGHT - 6, "text-anchor": "middle" }, this.ticks[index]);
    });
  }

  drawCursor(index) {
    svg("rect", "slot", this.behind, { x: this.x(index) - this.#slot / 2, width: this.#slot, y: 0, height: HEIGHT, rx: 4 });
  }

  describe(index) {
    const value = count(this.#values[index] ?? 0);
    const rows = [element("span", "tip-row", element("span", "series first", "Visitors"), element("b", "", value))];
    if (this.#before) rows.push(element("span", "tip-row", element("span", "series mark", "Before"), element("b", "", count(this.#before[index]))));
    return { title: this.names[index], rows, text: `${this.names[index]}: ${value}${this.#before ? `, before ${count(this.#before[index])}` : ""}` };
  }
}
