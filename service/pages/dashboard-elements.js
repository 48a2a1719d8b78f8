// Elements: made, and changed in place.

/** An element with a class and content. */
export function element(name, className = "", ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

/** Put text in a node unless it is there already, which would disturb a selection or a screen reader. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Make the children of `host` equal to `content` (elements and texts), by changing what is there: the numbers change every second, and whoever
 * has focus in a table, or has selected something in it, keeps that.
 */
export function patch(host, ...content) {
  const nodes = content.map((part) => (typeof part === "string" ? document.createTextNode(part) : part));
  const old = [...host.childNodes];
  nodes.forEach((node, index) => {
    if (index >= old.length) host.append(node);
    else if (old[index].nodeName !== node.nodeName) old[index].replaceWith(node);
    else patchNode(old[index], node);
  });
  for (const left of old.slice(nodes.length)) left.remove();
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
  // The content security policy lets scripts set styles, but not style attributes.
  if (old.style.cssText !== node.style.cssText) old.style.cssText = node.style.cssText;
  patch(old, ...node.childNodes);
}
