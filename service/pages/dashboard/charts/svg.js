// SVG nodes, and the scale of values.

const NAMESPACE = "http://www.w3.org/2000/svg";

/** The step between grid lines: 1, 2 or 5 times a power of ten, for about five lines up to the highest value. */
export function gridStep(highest) {
  const rough = Math.max(1, highest / 5);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

/** Create a node with a text in `parent`, if there is one. */
export function svg(name, className, parent, attributes = {}, text = "") {
  const node = document.createElementNS(NAMESPACE, name);
  if (className) node.setAttribute("class", className);
  place(node, attributes);
  node.append(text);
  parent?.append(node);
  return node;
}

/** Set attributes, as far as they are given. */
export function place(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value);
}

/** A path through points `[x, y]`. */
export const pathOf = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
