// A line chart over time: a line for each series, and behind it a faint one of the period compared with.

import { LEFT, Plot, TOP } from "./plot.js";
import { pathOf, svg } from "./svg.js";
import { timeTicks } from "./time-ticks.js";

const HEIGHT = 280;
const RIGHT = 8;

export class Lines extends Plot {
  #data = { series: [], starts: [], known: 0 };

  /** `describe(index)` gives the tooltip of a point as `{title, rows, text}`: nodes, and a sentence for screen readers. */
  constructor(host, label, describe) {
    super(host, label, HEIGHT);
    this.describe = describe;
  }

  /**
   * Show `series` (`[{key, values, before}]`, `before` may be null) at `starts` (wall-clock times) in a granularity. Values behind index
   * `known - 1` lie in the future and are not drawn; `inProgress` is true if the last known one is not complete.
   */
  update(data) {
    this.#data = data;
    this.draw();
  }

  get length() {
    return this.#data.starts.length;
  }

  get start() {
    return Math.max(0, this.#data.known - 1);
  }

  get highest() {
    return Math.max(1, ...this.#data.series.flatMap(({ values, before }) => [...values.slice(0, this.#data.known), ...(before ?? [])]));
  }

  x(index) {
    return this.length > 1 ? LEFT + ((this.width - LEFT - RIGHT) * index) / (this.length - 1) : (LEFT + this.width) / 2;
  }

  drawMarks() {
    const { series, starts, granularity, known, inProgress } = this.#data;
    for (const { index, text } of timeTicks(starts, granularity, this.x(1) - this.x(0))) {
      svg("line", "base", this.grid, { x1: this.x(index), x2: this.x(index), y1: this.y(0), y2: this.y(0) + 4 });
      this.tick(this.x(index), text);
    }
    for (const { key, before } of series) if (before) this.#line(before.slice(0, starts.length), 0, `line before ${key}`);
    if (!known) return;
    const complete = inProgress && known > 1 ? known - 1 : known;
    for (const { key, values } of series) {
      if (key === series[0].key) this.#area(key, values.slice(0, known));
      this.#line(values.slice(0, complete), 0, `line ${key}`);
      if (complete < known) this.#line(values.slice(complete - 1, known), complete - 1, `line now ${key}`);
      if (known === 1) svg("circle", `point ${key}`, this.marks, { cx: this.x(0), cy: this.y(values[0]), r: 4 });
    }
  }

  #points(values, first) {
    return pathOf(values.map((value, index) => [this.x(first + index), this.y(value)]));
  }

  #line(values, first, className) {
    svg("path", className, this.marks, { d: this.#points(values, first) });
  }

  #area(key, values) {
    svg("path", `area ${key}`, this.marks, { d: `${this.#points(values, 0)}L${this.x(values.length - 1)} ${this.y(0)}L${this.x(0)} ${this.y(0)}Z` });
  }

  drawCursor(index) {
    const x = this.x(index);
    svg("line", "", this.behind, { x1: x, x2: x, y1: TOP, y2: this.y(0) });
    if (index >= this.#data.known) return;
    for (const { key, values } of this.#data.series) svg("circle", `point ${key}`, this.front, { cx: x, cy: this.y(values[index]), r: 4.5 });
  }
}
