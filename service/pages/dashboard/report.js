// One report on the page: totals, and below them the panels of its kind of workflow.

import { Columns } from "./charts.js";
import { element, patch } from "./elements.js";
import { columnsPart, goalsPart, purchasesPart } from "./tables.js";
import { changeNode, count, figure } from "./format.js";

const HOURS = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00–${String(hour + 1).padStart(2, "0")}:00`);
const HOUR_TICKS = Array.from({ length: 24 }, (_, hour) => String(hour));
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WEEKDAY_TICKS = WEEKDAYS.map((name) => name.slice(0, 3));

const events = (goals) => goals.reduce((sum, goal) => sum + goal.metrics.events_count, 0);
const estimated = (field) => ({ of: (answer) => answer[field], estimate: true });
const exact = (of) => ({ of, estimate: false });

/** The totals, by title; the fields of an answer tell the kind of workflow. */
function totalsOf(answer) {
  if ("started_workflows_count" in answer) {
    return {
      "Unique visitors": estimated("unique_visitors_count"),
      "Workflows started": exact((report) => report.started_workflows_count),
      "Goals triggered": exact((report) => events(report.triggered_goals)),
      "Goals affected": exact((report) => events(report.affected_goals)),
    };
  }
  return { "Unique visitors": estimated("unique_visitors_count"), "Unique sessions": estimated("unique_sessions_count") };
}

export class Report {
  #before = null;
  #comparable = {};
  #tiles = new Map();
  #flash = false;

  constructor(byId) {
    this.nodes = {};
    for (const id of ["tiles", "nothing", "hours", "weekdays", "triggered", "affected", "purchases", "panels"]) {
      this.nodes[id] = byId(id);
    }
    this.hours = chart(this.nodes.hours, { label: "Visitors by hour of day", head: "Hour", names: HOURS, ticks: HOUR_TICKS });
    this.weekdays = chart(this.nodes.weekdays, {
      label: "Visitors by weekday",
      head: "Weekday",
      names: WEEKDAYS,
      ticks: WEEKDAY_TICKS,
    });
    const body = (id) => this.nodes[id].querySelector("[data-part=body]");
    this.triggered = goalsPart(body("triggered"), "No goal was triggered in this range.");
    this.affected = goalsPart(body("affected"), "No goal was affected in this range.");
    this.purchases = purchasesPart(body("purchases"));
  }

  /** Clear the state: the next answer is another report, so none of its numbers has "changed". */
  reset() {
    this.answer = null;
    this.#before = null;
    this.#comparable = {};
    this.#flash = false;
  }

  show(answer) {
    this.answer = answer;
    this.#draw();
    this.#flash = true;
  }

  /** Compare with the previous period's report, or with none (`null`); `comparable` is that of `ranges.js`. */
  compare(before, comparable) {
    this.#before = before;
    this.#comparable = comparable;
    if (this.answer) this.#draw();
  }

  /** The totals as a sentence, for screen readers. */
  summary() {
    const totals = Object.entries(totalsOf(this.answer));
    return totals.map(([title, { of }]) => `${title}: ${count(of(this.answer))}`).join(", ");
  }

  #draw() {
    const { answer } = this;
    const before = this.#before;
    const totals = Object.entries(totalsOf(answer));
    this.#drawTiles(totals, before);
    const something = totals.some(([, { of }]) => of(answer) > 0);
    this.nodes.nothing.hidden = something;
    this.nodes.panels.hidden = !something;
    const hours = answer.timeframe_stat?.hour_in_day;
    const weekdays = answer.timeframe_stat?.day_in_week;
    this.nodes.hours.hidden = !hours;
    this.nodes.weekdays.hidden = !weekdays;
    this.nodes.hours.classList.toggle("alone", !weekdays);
    if (hours) this.hours(hours, this.#comparable.hours && before?.timeframe_stat?.hour_in_day);
    if (weekdays) this.weekdays(weekdays, this.#comparable.weekdays && before?.timeframe_stat?.day_in_week);
    for (const id of ["triggered", "affected", "purchases"]) this.nodes[id].hidden = !("triggered_goals" in answer);
    if (!("triggered_goals" in answer)) return;
    this.triggered.update(answer.triggered_goals, before?.triggered_goals ?? null, answer.unique_visitors_count);
    // A goal's visitors may have interacted before the range began, so they are not a part of its visitors.
    this.affected.update(answer.affected_goals, before?.affected_goals ?? null, 0);
    this.purchases.update(answer.visitor_purchase_sums, before?.visitor_purchase_sums ?? null);
  }

  #drawTiles(totals, before) {
    if (totals.map(([title]) => title).join() !== [...this.#tiles.keys()].join()) {
      this.#tiles = new Map(totals.map(([title]) => [title, new Tile(title)]));
      this.nodes.tiles.replaceChildren(...[...this.#tiles.values()].map((tile) => tile.root));
    }
    for (const [title, { of, estimate }] of totals) {
      this.#tiles.get(title).show(of(this.answer), before && of(before), estimate, this.#flash);
    }
  }
}

class Tile {
  #shown = "";

  constructor(title) {
    this.number = element("span", "number");
    this.error = element("span", "error");
    this.change = element("dd", "tile-change");
    this.root = element("div", "tile", element("dt", "", title, " ", this.error), element("dd", "", this.number), this.change);
  }

  show(value, before, estimate, flash) {
    const key = JSON.stringify([value, before]);
    if (key === this.#shown) return;
    this.#shown = key;
    if (flash && this.number.textContent !== String(value)) {
      this.root.classList.remove("changed");
      void this.root.offsetWidth; // restarts the animation
      this.root.classList.add("changed");
    }
    patch(this.number, figure(String(value)));
    this.error.textContent = estimate && value ? "±0.8\u00a0%" : "";
    patch(this.change, before === null ? "\u00a0" : changeNode(value, before, estimate));
  }
}

/** Create a panel's chart, table and note; returns a function that updates them with pairs of value and index. */
function chart(section, { label, head, names, ticks }) {
  const part = (name) => section.querySelector(`[data-part=${name}]`);
  const columns = new Columns(part("plot"), { label, names, ticks });
  const table = columnsPart(part("table"), head, names);
  return (pairs, earlier) => {
    const values = pairs.map(([value]) => value);
    const before = earlier ? earlier.map(([value]) => value) : null;
    columns.update(values, before);
    table.update(values, before);
    const highest = Math.max(...values);
    const most = highest ? `Busiest: ${names[values.indexOf(highest)]}, ${count(highest)}.` : "";
    patch(part("note"), most, ...(before?.some(Boolean) ? [" ", element("span", "legend", "previous period")] : []));
  };
}
