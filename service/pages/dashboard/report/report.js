// One report on the page: totals, and below them the panels of its kind of workflow.

import { Columns } from "../charts/columns.js";
import { element, patch } from "../frame/elements.js";
import { columnsPart, goalsPart, purchasesPart } from "./tables.js";
import { Tiles, summaryOf } from "./tiles.js";
import { totalsOf } from "./totals.js";
import { count } from "../text/format.js";
import { COMPARISONS } from "../range/ranges.js";

const HOURS = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00–${String(hour + 1).padStart(2, "0")}:00`);
const HOUR_TICKS = Array.from({ length: 24 }, (_, hour) => String(hour));
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WEEKDAY_TICKS = WEEKDAYS.map((name) => name.slice(0, 3));

export class Report {
  #before = null;
  #comparable = {};
  #compare = "previous";
  #flash = false;

  constructor(byId) {
    this.nodes = {};
    for (const id of ["nothing", "hours", "weekdays", "triggered", "affected", "purchases", "panels"]) this.nodes[id] = byId(id);
    this.tiles = new Tiles(byId("tiles"));
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

  /** Compare with the report of another period, or with none (`null`); `comparison` is that of `ranges.js`, `compare` its name. */
  compare(before, comparison, compare) {
    this.#before = before;
    this.#comparable = comparison ?? {};
    this.#compare = compare;
    if (this.answer) this.#draw();
  }

  /** The totals as a sentence, for screen readers. */
  summary() {
    return summaryOf(this.answer);
  }

  #draw() {
    const { answer } = this;
    const before = this.#before;
    this.tiles.show(answer, before, this.#flash);
    const something = totalsOf(answer).some(({ of }) => of(answer) > 0);
    this.nodes.nothing.hidden = something;
    this.nodes.panels.hidden = !something;
    const hours = answer.timeframe_stat?.hour_in_day;
    const weekdays = answer.timeframe_stat?.day_in_week;
    this.nodes.hours.hidden = !hours;
    this.nodes.weekdays.hidden = !weekdays;
    this.nodes.hours.classList.toggle("alone", !weekdays);
    const compare = COMPARISONS[this.#compare];
    if (hours) this.hours(hours, this.#comparable.hours && before?.timeframe_stat?.hour_in_day, compare);
    if (weekdays) this.weekdays(weekdays, this.#comparable.weekdays && before?.timeframe_stat?.day_in_week, compare);
    for (const id of ["triggered", "affected", "purchases"]) this.nodes[id].hidden = !("triggered_goals" in answer);
    if (!("triggered_goals" in answer)) return;
    const started = answer.started_workflows_count;
    this.triggered(answer.triggered_goals, before?.triggered_goals ?? null, answer.unique_visitors_count, started);
    // A goal's visitors may have interacted before the range began, so they are not a part of its visitors.
    this.affected(answer.affected_goals, before?.affected_goals ?? null, 0, started);
    this.purchases(answer.visitor_purchase_sums, before?.visitor_purchase_sums ?? null);
  }
}

/** Create a panel's chart, table and note; returns a function that updates them with pairs of value and index. */
function chart(section, { label, head, names, ticks }) {
  const part = (name) => section.querySelector(`[data-part=${name}]`);
  const columns = new Columns(part("plot"), { label, names, ticks });
  const table = columnsPart(part("table"), head, names);
  return (pairs, earlier, compare) => {
    const values = pairs.map(([value]) => value);
    const before = earlier ? earlier.map(([value]) => value) : null;
    columns.update(values, before);
    table(values, before);
    const highest = Math.max(...values);
    const most = highest ? `Busiest: ${names[values.indexOf(highest)]}, ${count(highest)}.` : "";
    patch(part("note"), most, ...(before?.some(Boolean) ? [" ", element("span", "legend", compare)] : []));
  };
}
