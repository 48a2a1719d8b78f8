// The change of a number from the period that it is compared with.

import { count } from "./format.js";
import { standardError } from "./error.js";

const MOST = 9.995; // a greater factor only says that there was next to nothing before

/** Direction ("up", "down", "same", "new" or "unclear" within the error of estimates), text and tooltip. */
export function change(now, before, estimate) {
  const title = `${count(before)} in the period compared with`;
  if (now === before) return { direction: "same", text: before ? "0\u00a0%" : "–", title };
  if (before === 0) return { direction: "new", text: "new", title };
  const ratio = (now - before) / before;
  if (ratio > MOST) return { direction: "same", text: "–", title: `Only ${title}, too few for a comparison` };
  const percent = Math.abs(ratio) * 100;
  const text = `${percent.toFixed(percent < 9.95 ? 1 : 0)}\u00a0%`;
  // Two standard errors of the difference of two estimates. Small counts are nearly exact, and so are their differences.
  const error = 2 * Math.hypot(standardError(now || 1), standardError(before));
  const unclear = estimate && before >= 50 && Math.abs(ratio) < error;
  return { direction: unclear ? "unclear" : ratio > 0 ? "up" : "down", rising: ratio > 0, text, title };
}

/** The change as a node such as "▲ 12 %", with words for screen readers; `brief` leaves the margin of error to the tooltip. */
export function changeNode(now, before, estimate, brief = false) {
  const node = document.createElement("span");
  const { direction, rising, text, title } = change(now, before, estimate);
  node.className = `change ${direction}`;
  node.title = title;
  if (rising !== undefined) {
    const sign = document.createElement("span");
    sign.setAttribute("aria-hidden", "true");
    sign.textContent = rising ? "▲\u00a0" : "▼\u00a0";
    const word = document.createElement("span");
    word.className = "unseen";
    word.textContent = rising ? "up " : "down ";
    node.append(sign, word);
  }
  node.append(text);
  if (direction === "unclear") {
    node.title = `${title}: a difference within the margin of error`;
    if (!brief) node.append(", within the margin of error");
  }
  return node;
}
