// DOM elements: created, and updated in place.

/** Create an element with a class and content. */
export function element(name, className = "", ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

/** The head of a table. */
export function heads(titles) {
  const cells = titles.map((title) => element("th", "", title));
  for (const cell of cells) cell.scope = "col";
  return element("thead", "", element("tr", "", ...cells));
}

/** The head of a table's row. */
export function rowHead(...content) {
  const cell = element("th", "", ...content);
  cell.scope = "row";
  return cell;
}

/** Set a node's text only if it differs: setting it again would disturb a selection or a screen reader. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Make the children of `host` equal to `content` (elements and texts) with the fewest changes: numbers change every second, and focus and
 * selection in a table must not be lost.
 */
export function patch(host, ...content) {
  const nodes = content.map((part) => (typeof part === "string" ? document.createTextNode(part) : part));
  const old = [...host.childNodes];
  nodes.forEach((node, index) => {
    if (index >= old.length) host.append(node);
    else if (old[index].nodeName !== node.nodeName) old[index].replaceWith(node);
    else patchNode(old[index], node);
  });
  for (const surplus of old.slice(nodes.length)) surplus.remove();
}

function patchNode(old, node) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of node.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // The Content-Security-Policy allows scripts to set styles, but not style attributes.
  if (old.style.cssText !== node.style.cssText) old.style.cssText = node.style.cssText;
  patch(old, ...node.childNodes);
}
