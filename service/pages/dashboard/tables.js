// Tables, updated in place: goals with bars, purchases, and the numbers of charts.

import { element, patch } from "./elements.js";
import { changeNode, figure, share } from "./format.js";

const FIRST = 10; // rows shown before "Show all"

function head(columns) {
  const row = element("tr");
  for (const { title, estimate, className } of columns) {
    const cell = element("th", className ?? "", title);
    cell.scope = "col";
    if (estimate) cell.append(" ", element("span", "error", "±0.8\u00a0%"));
    row.append(cell);
  }
  return element("thead", "", row);
}

function rowHead(...content) {
  const cell = element("th", "", ...content);
  cell.scope = "row";
  return cell;
}

/** A part of the page that is rebuilt only when its data has changed. */
class Part {
  #key = "";
  #data = [];

  constructor(host, build) {
    this.host = host;
    this.build = build;
  }

  update(...data) {
    const key = JSON.stringify(data);
    if (key === this.#key) return;
    this.#key = key;
    this.#data = data;
    this.rebuild();
  }

  rebuild() {
    patch(this.host, ...this.build(...this.#data));
  }
}

/**
 * A table of goals in the order of the answer (the most frequent first); `empty` is the text if there are none. An update takes the goals,
 * those of the previous period (or null), and the number of visitors that a goal's share refers to (or 0 for no shares).
 */
export function goalsPart(host, empty) {
  let all = false;
  const part = new Part(host, (goals, before, visitors) => {
    if (!goals.length) return [element("p", "nothing", empty)];
    const highest = goals[0].metrics.events_count;
    const earlier = before && new Map(before.map((goal) => [goal.uuid, goal.metrics.events_count]));
    const rows = (all ? goals : goals.slice(0, FIRST)).map((goal) => goalRow(goal, highest, earlier, visitors));
    const columns = [
      { title: "Goal" },
      { title: "Events" },
      { title: "Change", className: "roomy" },
      { title: "Visitors", estimate: true },
      { title: "Sessions", estimate: true },
    ];
    const table = withRoles(element("table", "goals", head(columns), element("tbody", "", ...rows)));
    return goals.length > FIRST ? [table, moreButton(goals.length)] : [table];
  });

  function moreButton(length) {
    const button = element("button", "small", all ? "Show fewer" : `Show all ${length}`);
    button.type = "button";
    button.addEventListener("click", () => {
      all = !all;
      part.rebuild();
    });
    return button;
  }

  return part;
}

/** Add the roles of a table: on a phone the style sheet changes its display type, and with it the implicit roles. */
function withRoles(table) {
  const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };
  for (const node of [table, ...table.querySelectorAll("thead, tbody, tr, td")]) node.setAttribute("role", roles[node.localName]);
  for (const node of table.querySelectorAll("th")) node.setAttribute("role", node.scope === "col" ? "columnheader" : "rowheader");
  return table;
}

function goalRow({ uuid, name, metrics }, highest, earlier, visitors) {
  const bar = element("span", "meter", element("span"));
  bar.setAttribute("aria-hidden", "true");
  bar.firstChild.style.inlineSize = `${(100 * metrics.events_count) / highest}%`;
  const title = element("span", "goal-name", name);
  title.title = uuid;
  const row = element("tr", "", rowHead(title, bar));
  const changed = earlier ? changeNode(metrics.events_count, earlier.get(uuid) ?? 0, false) : "–";
  row.append(
    element("td", "", figure(String(metrics.events_count))),
    element("td", "roomy", changed),
    element("td", "", figure(String(metrics.unique_visitors_count)), ...(visitors ? [shareNode(metrics, visitors)] : [])),
    element("td", "", figure(String(metrics.unique_sessions_count))),
  );
  row.dataset.goal = uuid;
  return row;
}

function shareNode(metrics, visitors) {
  const node = element("span", "share", share(metrics.unique_visitors_count, visitors));
  node.append(element("span", "unseen", " of the visitors"));
  return node;
}

/** Sums of money by currency, with the digits that were sent. */
export function purchasesPart(host) {
  return new Part(host, (sums, before) => {
    if (!sums.length) return [element("p", "nothing", "No purchase in this range.")];
    const earlier = new Map((before ?? []).map(({ currency, value }) => [currency, value]));
    const rows = sums.map(({ value, currency }) => {
      const row = element("tr", "", rowHead(currency), element("td", "sum", figure(value)));
      // A percentage may be rounded, but the sum never is.
      const changed = before ? changeNode(Number(value), Number(earlier.get(currency) ?? 0), false) : "–";
      row.append(element("td", "", changed));
      row.dataset.currency = currency;
      return row;
    });
    const columns = [{ title: "Currency" }, { title: "Sum" }, { title: "Change" }];
    return [element("table", "purchases", head(columns), element("tbody", "", ...rows))];
  });
}

/** The numbers of a chart as a table. */
export function columnsPart(host, title, names) {
  return new Part(host, (values, before) => {
    const rows = values.map((value, index) => {
      const row = element("tr", "", rowHead(names[index]), element("td", "", figure(String(value))));
      row.append(element("td", "", before ? figure(String(before[index])) : "–"));
      return row;
    });
    const columns = [{ title }, { title: "Visitors", estimate: true }, { title: "Previous period" }];
    return [head(columns), element("tbody", "", ...rows)];
  });
}
