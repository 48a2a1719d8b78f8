// Sparklines: a line without axes, as wide as a table's cell; its words are for screen readers.

import { pathOf, svg } from "./svg.js";
import { count } from "../text/format.js";

const WIDTH = 120;
const HEIGHT = 32;
const EDGE = 2; // the line's own width, and the dot at its end

/** A sparkline of `values`, of which the last may be in progress (drawn dashed). */
export function sparkline(values, inProgress) {
  const root = svg("svg", "sparkline", null, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", preserveAspectRatio: "none" });
  const highest = Math.max(...values);
  const words = values.length ? `From ${count(values[0])} to ${count(values.at(-1))}, at most ${count(highest)}` : "No points";
  root.setAttribute("aria-label", words);
  if (!values.length) return root;
  const x = (index) => (values.length > 1 ? EDGE + ((WIDTH - 2 * EDGE) * index) / (values.length - 1) : WIDTH / 2);
  const y = (value) => HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * value) / Math.max(1, highest);
  const points = values.map((value, index) => [x(index), y(value)]);
  const done = inProgress && points.length > 1 ? points.slice(0, -1) : points;
  svg("path", "area", root, { d: `${pathOf(points)}L${x(values.length - 1)} ${HEIGHT}L${x(0)} ${HEIGHT}Z` });
  svg("path", "line", root, { d: pathOf(done) });
  if (done !== points) svg("path", "line now", root, { d: pathOf(points.slice(-2)) });
  return root;
}
