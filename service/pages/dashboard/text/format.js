// Formats numbers, times and ages. Pure, except for `figure`, which creates a node.

const COUNTS = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
export const MONTHS = [..."January February March April May June July August September October November December".split(" ")];
export const DAY = 86_400_000;

/** "31,402" for labels, which are not copied; elsewhere see `figure`. */
export const count = (value) => COUNTS.format(value);

/** "31K", for axes. */
export const short = (value) => SHORT.format(value);

/** A UUID's beginning, where there is no name. */
export const shortId = (uuid) => (uuid ? `${uuid.slice(0, 8)}…` : "");

/**
 * A `<data>` with exactly this text and a tooltip. Only the style sheet adds commas, so that a copied number is the one that was sent.
 */
export function figure(text, title = "") {
  const node = document.createElement("data");
  node.value = text;
  if (title) node.title = title;
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

/** Wall-clock milliseconds as "23 Nov", or "Mon 23 Nov", or with the year. */
export function dayText(milliseconds, { weekday = false, year = false } = {}) {
  const date = new Date(milliseconds);
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()].slice(0, 3)}`;
  return `${weekday ? `${DAYS[date.getUTCDay()]} ` : ""}${day}${year ? ` ${date.getUTCFullYear()}` : ""}`;
}

/** Wall-clock milliseconds as "14:05". */
export const clockText = (milliseconds) => new Date(milliseconds).toISOString().slice(11, 16);

/** A wall-clock time such as "2026-11-23T14:05" as "Mon 23 Nov 2026, 14:05". */
export function moment(local) {
  return `${dayText(Date.parse(`${local}Z`), { weekday: true, year: true })}, ${local.slice(11, 16)}`;
}

/** A span of wall-clock time: "Mon 23 Nov 2026", "Mon 23 Nov, 14:00–15:00", "16–22 Nov 2026", "November 2026". */
export function spanText(start, end) {
  const whole = start % DAY === 0 && end % DAY === 0;
  const first = new Date(start);
  const last = new Date(end - 1);
  if (!whole) {
    const sameDay = Math.floor(start / DAY) === Math.floor((end - 1) / DAY);
    const until = sameDay ? (end % DAY === 0 ? "24:00" : clockText(end)) : `${dayText(end, { weekday: true })}, ${clockText(end)}`;
    return `${dayText(start, { weekday: true })}, ${clockText(start)}${sameDay ? "–" : " – "}${until}`;
  }
  if (end - start <= DAY) return dayText(start, { weekday: true, year: true });
  const sameYear = first.getUTCFullYear() === last.getUTCFullYear();
  const sameMonth = sameYear && first.getUTCMonth() === last.getUTCMonth();
  if (first.getUTCDate() === 1 && new Date(end).getUTCDate() === 1 && sameMonth) return `${MONTHS[first.getUTCMonth()]} ${first.getUTCFullYear()}`;
  const from = sameMonth ? `${first.getUTCDate()}–` : `${dayText(start, { year: !sameYear })} – `;
  return `${from}${dayText(end - 1, { year: true })}`;
}

/** A part of a whole as "12 %" or "0.4 %"; "–" of nothing. */
export function percent(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  return `${value.toFixed(value && value < 9.95 ? 1 : 0)}\u00a0%`;
}

/** The same, at most 100 %: of two estimates the part may be the greater. */
export const share = (part, whole) => percent(Math.min(part, whole), whole);
