// Tables, updated in place: goals with bars, purchases, and the numbers of charts. Each function returns one that updates the table.

import { element, heads, patch, rowHead } from "../frame/elements.js";
import { changeNode } from "../text/change.js";
import { errorText } from "../text/error.js";
import { figure, percent, share } from "../text/format.js";
import { moneyFigure } from "../text/money.js";

const FIRST = 10; // rows shown before "Show all"

const estimate = (value) => figure(String(value), errorText(value));

/**
 * A table of goals in the order of the answer; `empty` is the text if there are none. An update takes the goals, those of the period
 * compared with (or null), the visitors that a share refers to (0: no shares), and the starts that a conversion refers to.
 */
export function goalsPart(host, empty) {
  let all = false;
  return function update(goals, before, visitors, started) {
    if (!goals.length) return patch(host, element("p", "nothing", empty));
    const highest = goals[0].metrics.events_count;
    const earlier = before && new Map(before.map((goal) => [goal.uuid, goal.metrics.events_count]));
    const rows = (all ? goals : goals.slice(0, FIRST)).map((goal) => goalRow(goal, highest, earlier, { visitors, started }));
    const titles = ["Goal", "Events", "Change", "Conversion", "Visitors", "Sessions"];
    const more = element("button", "small", all ? "Show fewer" : `Show all ${goals.length}`);
    more.type = "button";
    patch(host, element("table", "goals", heads(titles), element("tbody", "", ...rows)), ...(goals.length > FIRST ? [more] : []));
    const button = host.querySelector("button");
    if (button) {
      button.onclick = () => {
        all = !all;
        update(goals, before, visitors, started);
      };
    }
  };
}

function goalRow({ uuid, name, metrics }, highest, earlier, { visitors, started }) {
  const bar = element("span", "meter", element("span"));
  bar.setAttribute("aria-hidden", "true");
  bar.firstChild.style.inlineSize = `${(100 * metrics.events_count) / highest}%`;
  const title = element("span", "goal-name", name);
  title.title = uuid;
  const shared = element("span", "share", share(metrics.unique_visitors_count, visitors), element("span", "unseen", " of the visitors"));
  return element(
    "tr",
    "",
    rowHead(title, bar),
    element("td", "", figure(String(metrics.events_count))),
    element("td", "", earlier ? changeNode(metrics.events_count, earlier.get(uuid) ?? 0, false) : "–"),
    element("td", "", percent(metrics.events_count, started)),
    element("td", "", estimate(metrics.unique_visitors_count), ...(visitors ? [shared] : [])),
    element("td", "", estimate(metrics.unique_sessions_count)),
  );
}

/** Sums of money by currency, in its own digits. */
export function purchasesPart(host) {
  return (sums, before) => {
    if (!sums.length) return patch(host, element("p", "nothing", "No purchase in this range."));
    const earlier = new Map((before ?? []).map(({ currency, value }) => [currency, value]));
    const rows = sums.map(({ value, currency }) => {
      // A percentage may be rounded, but the sum never is.
      const changed = before ? changeNode(Number(value), Number(earlier.get(currency) ?? 0), false) : "–";
      return element("tr", "", rowHead(currency), element("td", "sum", moneyFigure(value, currency)), element("td", "", changed));
    });
    patch(host, element("table", "purchases", heads(["Currency", "Sum", "Change"]), element("tbody", "", ...rows)));
  };
}

/** The numbers of a column chart. */
export function columnsPart(host, title, names) {
  return (values, before) => {
    const rows = values.map((value, index) => {
      const number = element("td", "", figure(String(value), errorText(value, true)));
      return element("tr", "", rowHead(names[index]), number, element("td", "", before ? figure(String(before[index])) : "–"));
    });
    patch(host, heads([title, "Visitors", "Before"]), element("tbody", "", ...rows));
  };
}
