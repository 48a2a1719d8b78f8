// Formats numbers, times and ages. Pure, except that some functions create nodes.

const COUNTS = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "31,402" for labels, which are not copied; elsewhere see `figure`. */
export const count = (value) => COUNTS.format(value);

/** "31K", for axes. */
export const short = (value) => SHORT.format(value);

/**
 * A `<data>` whose text is exactly `text`, such as "1023456.5". Only the style sheet adds commas, so that a copied number is the one that
 * the service sent.
 */
export function figure(text) {
  const node = document.createElement("data");
  node.value = text;
  const [, whole, rest] = /^(-?\d*)(.*)$/s.exec(text);
  const groups = whole.split(/(?=(?:\d{3})+$)/);
  node.append(groups[0]);
  for (const group of groups.slice(1)) {
    const span = document.createElement("span");
    span.className = "thousands";
    span.textContent = group;
    node.append(span);
  }
  node.append(rest);
  return node;
}

/** Milliseconds as "4 s", "3 min", "5 h" or "12 days". */
export function age(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** A wall-clock time such as "2026-11-23T14:05" as "Mon 23 Nov 2026, 14:05". */
export function moment(local) {
  const date = new Date(`${local}Z`);
  const day = `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return `${day}, ${local.slice(11, 16)}`;
}

/** A part of a whole as "12 %" or "0.4 %"; at most 100 %, although of two estimates the part may be the greater. */
export function share(part, whole) {
  const percent = Math.min(100, (100 * part) / whole);
  return `${percent.toFixed(percent < 9.95 ? 1 : 0)}\u00a0%`;
}

/** The change from `before` to `now`: direction and text; "unclear" within the error of estimates. */
export function change(now, before, estimate) {
  if (now === before) return { direction: "same", text: "0\u00a0%" };
  if (before === 0) return { direction: "up", text: "from 0" };
  const ratio = (now - before) / before;
  const percent = Math.abs(ratio) * 100;
  const figures = percent >= 999.5 ? `×\u00a0${short(now / before)}` : `${percent.toFixed(percent < 9.95 ? 1 : 0)}\u00a0%`;
  // Two standard errors of the difference of two estimates. Small counts are nearly exact, and so are their differences.
  const unclear = estimate && before >= 50 && percent < 2 * Math.SQRT2 * 0.81;
  return { direction: unclear ? "unclear" : ratio > 0 ? "up" : "down", rising: ratio > 0, text: figures };
}

/** The change as a node such as "▲ 12 %", with words for screen readers. */
export function changeNode(now, before, estimate) {
  const node = document.createElement("span");
  const { direction, rising, text } = change(now, before, estimate);
  node.className = `change ${direction}`;
  if (direction === "same") {
    node.append(text);
    return node;
  }
  const up = rising ?? direction === "up";
  const sign = document.createElement("span");
  sign.setAttribute("aria-hidden", "true");
  sign.textContent = up ? "▲\u00a0" : "▼\u00a0";
  const word = document.createElement("span");
  word.className = "unseen";
  word.textContent = up ? "up " : "down ";
  node.append(sign, word, text);
  if (direction === "unclear") node.append(", within the margin of error");
  return node;
}
