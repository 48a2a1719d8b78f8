// The panel with the line chart over the range: its legend, granularity, table and CSV.

import { Lines } from "../charts/line.js";
import { element, heads, patch, rowHead } from "../frame/elements.js";
import { GRANULARITY_NAMES, bestFor, fitting } from "../range/granularity.js";
import { COMPARISONS } from "../range/ranges.js";
import { count, figure, spanText } from "../text/format.js";
import { changeNode } from "../text/change.js";
import { errorText } from "../text/error.js";

const SERIES = {
  unique_visitors_count: { name: "Visitors", estimate: true },
  unique_sessions_count: { name: "Sessions", estimate: true },
  started_workflows_count: { name: "Started" },
  triggered_goals_count: { name: "Triggered" },
  affected_goals_count: { name: "Affected" },
};
// An interaction's visitors stand in its tiles; the line tells what became of its starts.
const SHOWN = {
  pages: ["unique_visitors_count", "unique_sessions_count"],
  interaction: ["started_workflows_count", "triggered_goals_count", "affected_goals_count"],
};
const KEYS = ["first", "second", "third"]; // their classes in the style sheet

export class TimelinePanel {
  #hidden = new Set(); // the fields that the legend's buttons have switched off
  #data = null;
  #compare = "previous";

  /** `chosen(granularity)` is called when another granularity is chosen. */
  constructor(byId, chosen) {
    this.byId = byId;
    this.lines = new Lines(byId("timeline-plot"), "Numbers over time", (index) => this.#describe(index));
    byId("timeline-by").addEventListener("change", (event) => chosen(event.target.value));
    byId("timeline-details").addEventListener("toggle", () => this.#drawTable());
  }

  /** Show a timeline as `TimelineFeed` gives it; `compare` is the view's comparison. */
  show(data, compare) {
    this.#data = { ...data, known: data.points.filter(({ from }) => from < data.now).length };
    this.#compare = compare;
    const { byId } = this;
    byId("timeline").hidden = !data.points.length;
    if (!data.points.length) return;
    const best = bestFor(data.range, "");
    const options = [...new Set([...fitting(data.range), data.granularity])].map((each) => {
      const option = element("option", "", `by ${GRANULARITY_NAMES[each]}`);
      option.value = each === best ? "" : each;
      option.selected = each === data.granularity;
      return option;
    });
    patch(byId("timeline-by"), ...options);
    byId("timeline-by").value = data.granularity === best ? "" : data.granularity;
    byId("timeline-by").hidden = options.length < 2;
    this.#draw();
  }

  hide() {
    this.#data = null;
    this.byId("timeline").hidden = true;
  }

  /** The granularity that is shown. */
  get granularity() {
    return this.#data?.granularity;
  }

  #fields() {
    const kind = "unique_sessions_count" in this.#data.points[0] ? "pages" : "interaction";
    return SHOWN[kind].map((field, at) => ({ field, key: KEYS[at], ...SERIES[field] }));
  }

  #draw() {
    const { points, before, granularity, known, now } = this.#data;
    const fields = this.#fields();
    this.#drawLegend(fields, Boolean(before));
    this.lines.update({
      starts: points.map(({ from }) => from),
      granularity,
      known,
      inProgress: known > 0 && points[known - 1].until > now,
      series: fields
        .filter(({ field }) => !this.#hidden.has(field))
        .map(({ field, key }) => ({ key, values: points.map((point) => point[field]), before: before?.map((point) => point[field]) ?? null })),
    });
    this.#drawTable();
  }

  #drawLegend(fields, compared) {
    const legend = this.byId("timeline-legend");
    const buttons = fields.map(({ field, key, name }) => {
      const button = element("button", `series ${key}`, name);
      button.type = "button";
      button.dataset.field = field;
      button.setAttribute("aria-pressed", String(!this.#hidden.has(field)));
      return button;
    });
    patch(legend, ...buttons, ...(compared ? [element("span", "series earlier", COMPARISONS[this.#compare])] : []));
    for (const button of legend.querySelectorAll("button")) {
      button.onclick = () => {
        const { field } = button.dataset;
        if (!this.#hidden.delete(field) && this.#hidden.size < fields.length - 1) this.#hidden.add(field);
        this.#draw();
      };
    }
  }

  #describe(index) {
    const { points, before, known, now } = this.#data;
    const point = points[index];
    const earlier = before?.[index];
    const progress = index < known && point.until > now ? ", in progress" : "";
    const title = `${spanText(point.from, point.until)}${progress}`;
    const rows = [];
    const words = [];
    for (const { field, key, name, estimate } of this.#fields()) {
      if (this.#hidden.has(field)) continue;
      const value = index < known ? count(point[field]) : "–";
      const row = element("span", "tip-row", element("span", `series ${key}`, name), element("b", "", value));
      if (earlier) row.append(element("span", "tip-before", count(earlier[field])));
      if (earlier && index < known && !progress) row.append(changeNode(point[field], earlier[field], estimate, true));
      rows.push(row);
      words.push(`${name} ${value}${earlier ? `, before ${count(earlier[field])}` : ""}`);
    }
    if (earlier) rows.push(element("span", "tip-note", `compared with ${spanText(earlier.from, earlier.until)}`));
    return { title, rows, text: `${title}: ${words.join("; ")}` };
  }

  /** Draw the table while it is open: it may have hundreds of rows. */
  #drawTable() {
    const { byId } = this;
    if (!this.#data || !byId("timeline-details").open) return;
    const fields = this.#fields();
    const titles = ["Time", ...fields.flatMap(({ name }) => (this.#data.before ? [name, "Before"] : [name]))];
    const rows = this.#data.points.slice(0, this.#data.known).map((point, index) => {
      const row = element("tr", "", rowHead(spanText(point.from, point.until)));
      for (const { field, estimate } of fields) {
        row.append(element("td", "", figure(String(point[field]), estimate ? errorText(point[field]) : "")));
        const earlier = this.#data.before?.[index];
        if (this.#data.before) row.append(element("td", "quiet", earlier ? figure(String(earlier[field])) : "–"));
      }
      return row;
    });
    patch(byId("timeline-table"), heads(titles), element("tbody", "", ...rows));
  }
}
