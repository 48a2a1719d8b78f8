// One report on the page: the totals, and below them the panels that its kind of workflow has.

import { Columns } from "./dashboard-charts.js";
import { element, patch } from "./dashboard-elements.js";
import { columnsPart, goalsPart, purchasesPart } from "./dashboard-tables.js";
import { changeNode, count, figure } from "./dashboard-words.js";

const HOURS = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00–${String(hour + 1).padStart(2, "0")}:00`);
const HOUR_TICKS = Array.from({ length: 24 }, (_, hour) => String(hour));
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WEEKDAY_TICKS = WEEKDAYS.map((name) => name.slice(0, 3));

const events = (goals) => goals.reduce((sum, goal) => sum + goal.metrics.events_count, 0);
const estimated = (field) => ({ of: (answer) => answer[field], estimate: true });
const exact = (of) => ({ of, estimate: false });

/** The big numbers, by what an answer holds. */
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
  #alike = {};
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

  /** Forget what was shown: the next answer is another report, and nothing in it has "changed". */
  reset() {
    this.answer = null;
    this.#before = null;
    this.#alike = {};
    this.#flash = false;
  }

  show(answer) {
    this.answer = answer;
    this.#draw();
    this.#flash = true;
  }

  /** Compare with the report of the range before, or with nothing (`null`); `alike` as `ranges.alike` has it. */
  compare(before, alike) {
    this.#before = before;
    this.#alike = alike;
    if (this.answer) this.#draw();
  }

  /** The totals in a sentence, for those who listen. */
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
    if (hours) this.hours(hours, this.#alike.hours && before?.timeframe_stat?.hour_in_day);
    if (weekdays) this.weekdays(weekdays, this.#alike.weekdays && before?.timeframe_stat?.day_in_week);
    for (const id of ["triggered", "affected", "purchases"]) this.nodes[id].hidden = !("triggered_goals" in answer);
    if (!("triggered_goals" in answer)) return;
    this.triggered.update(answer.triggered_goals, before?.triggered_goals ?? null, answer.unique_visitors_count);
    // Who reached a goal elsewhere may have interacted the day before, outside of the range: no part of its visitors.
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
      void this.root.offsetWidth; // lets the animation begin anew
      this.root.classList.add("changed");
    }
    patch(this.number, figure(String(value)));
    this.error.textContent = estimate && value ? "±0.8\u00a0%" : "";
    patch(this.change, before === null ? "\u00a0" : changeNode(value, before, estimate));
  }
}

/** A panel's chart, table and note; returns what updates them with pairs of value and index. */
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
    patch(part("note"), most, ...(before?.some(Boolean) ? [" ", element("span", "legend", "before")] : []));
  };
}
