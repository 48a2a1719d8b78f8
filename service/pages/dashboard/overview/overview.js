// The overview: a table of workflows for each kind, with sparklines, numbers and their changes, to be sorted and searched.

import { sparkline } from "../charts/sparkline.js";
import { element, patch, rowHead, write } from "../frame/elements.js";
import { hashOf } from "../frame/view-state.js";
import { changeNode } from "../text/change.js";
import { errorText } from "../text/error.js";
import { age, figure, percent, shortId } from "../text/format.js";
import { TOTALS, conversionOf } from "../report/totals.js";
import { KINDS } from "../frame/workflows.js";
import { moneyFigure } from "../text/money.js";

const CONVERSION = {
  key: "conversion",
  short: "Conversion",
  of: conversionOf,
  cell: (sidedata) => [conversionOf(sidedata) < 0 ? "–" : percent(conversionOf(sidedata), 1)],
};
const PURCHASES = {
  key: "purchases",
  short: "Purchases",
  of: ({ visitor_purchase_sums: sums }) => Number(sums[0]?.value ?? -1),
  cell: ({ visitor_purchase_sums: sums }) =>
    sums.length ? sums.map(({ value, currency }) => element("span", "amount", `${currency}\u00a0`, moneyFigure(value, currency))) : ["–"],
};
const COLUMNS = { page_navigation: TOTALS.page_navigation, interaction: [...TOTALS.interaction, CONVERSION, PURCHASES] };
const TRENDS = { page_navigation: "unique_visitors_count", interaction: "started_workflows_count" };

const nameOf = ({ name, id }) => name || shortId(id);

/** An empty cell that gives both tables equal columns. */
function filler(kind) {
  const cell = element("td", "filler");
  cell.colSpan = COLUMNS.interaction.length - COLUMNS[kind].length;
  return cell.colSpan && kind !== "interaction" ? [cell] : [];
}

export class Overview {
  #data = null;
  #view = null;
  #sort = { page_navigation: ["visitors", -1], interaction: ["visitors", -1] }; // a column's key, and 1 if ascending

  constructor(byId) {
    this.byId = byId;
    byId("overview-find").addEventListener("input", () => this.#draw());
    this.sections = Object.keys(KINDS).map((kind) => this.#section(kind));
    byId("overview-tables").append(...this.sections.map(({ root }) => root));
  }

  /** Show rows as the overview's feed gives them; the links lead to `view` with their workflow. */
  show(data, view) {
    this.#data = data;
    this.#view = view;
    this.#draw();
  }

  clear() {
    this.#data = null;
  }

  /** The ids of the rows that are shown, in their order. */
  get shown() {
    return this.sections.flatMap(({ kind }) => this.#entries(kind)).map(({ id }) => id);
  }

  #section(kind) {
    const columns = [{ key: "name", short: "Workflow" }, { short: "Trend" }, ...COLUMNS[kind]];
    const heads = columns.map(({ key, short: text }) => {
      const cell = element("th");
      cell.scope = "col";
      if (!key) {
        cell.append(text);
        return cell;
      }
      const button = element("button", "sort", text);
      button.type = "button";
      button.addEventListener("click", () => {
        const [current, direction] = this.#sort[kind];
        this.#sort[kind] = [key, current === key ? -direction : key === "name" ? 1 : -1];
        this.#draw();
      });
      cell.dataset.key = key;
      cell.append(button);
      return cell;
    });
    const body = element("tbody");
    const count = element("span", "quiet");
    const heading = element("h2", "", `${KINDS[kind]} `, count);
    heading.id = `overview-${kind}`;
    const table = element("table", "overview-table", element("thead", "", element("tr", "", ...heads, ...filler(kind))), body);
    const root = element("section", "card", heading, table);
    root.setAttribute("aria-labelledby", heading.id);
    return { kind, root, heads, body, count, rows: new Map() };
  }

  /** The workflows of a kind that match the search, sorted. */
  #entries(kind) {
    if (!this.#data) return [];
    const wanted = this.byId("overview-find").value.trim().toLowerCase();
    const [key, direction] = this.#sort[kind];
    const of = COLUMNS[kind].find((column) => column.key === key)?.of;
    const value = ({ id }) => {
      const report = this.#data.reports.get(id);
      return report ? of(report.sidedata) : -Infinity;
    };
    const names = (a, b) => nameOf(a).localeCompare(nameOf(b), "en", { numeric: true });
    return this.#data.entries
      .filter((entry) => entry.kind === kind && `${entry.name ?? ""} ${entry.id}`.toLowerCase().includes(wanted))
      .sort((a, b) => direction * (of ? value(a) - value(b) || direction * names(a, b) : names(a, b)));
  }

  #draw() {
    if (!this.#data) return;
    const { entries } = this.#data;
    let matches = 0;
    for (const { kind, root, heads, body, count, rows } of this.sections) {
      const found = this.#entries(kind);
      matches += found.length;
      root.hidden = !found.length;
      write(count, String(found.length));
      const [key, direction] = this.#sort[kind];
      for (const head of heads) {
        if (head.dataset.key === key) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      }
      const nodes = found.map((entry) => {
        if (!rows.has(entry.id)) rows.set(entry.id, element("tr"));
        patch(rows.get(entry.id), ...this.#cells(entry));
        return rows.get(entry.id);
      });
      // A moved node loses the focus, so nodes are only moved if the order has changed.
      if (nodes.length !== body.children.length || nodes.some((node, at) => node !== body.children[at])) {
        const focused = document.activeElement;
        body.replaceChildren(...nodes);
        if (body.contains(focused)) focused.focus();
      }
    }
    this.byId("overview-bar").hidden = !entries.length;
    this.byId("overview-none").hidden = matches > 0 || !entries.length;
  }

  #cells(entry) {
    const { reports, before, now, range } = this.#data;
    const report = reports.get(entry.id);
    const earlier = before?.get(entry.id);
    const link = element("a", "goal-name", nameOf(entry));
    link.href = hashOf({ ...this.#view, workflow: entry.id });
    link.title = entry.id;
    const head = rowHead(link, element("span", "side-line", this.#lastEvent(entry)));
    const points = (report?.points ?? []).filter(({ from }) => from < now);
    const inProgress = points.length > 0 && points.at(-1).until > now && range.end > now;
    const cells = COLUMNS[entry.kind].map((column) => {
      const cell = element("td");
      cell.dataset.title = column.short;
      if (!report) cell.append("–");
      else if (column.cell) cell.append(...column.cell(report.sidedata));
      else {
        const value = column.of(report.sidedata);
        cell.append(figure(String(value), column.estimate ? errorText(value) : ""));
        if (earlier) cell.append(changeNode(value, column.of(earlier.sidedata), column.estimate, true));
      }
      return cell;
    });
    return [head, element("td", "trend", sparkline(points.map((point) => point[TRENDS[entry.kind]]), inProgress)), ...cells, ...filler(entry.kind)];
  }

  #lastEvent({ last_event_at: at }) {
    return at ? `last event ${age(this.#data.clock() - Date.parse(at))} ago` : "no events yet";
  }
}
