// Ranges of wall-clock time in the organization's zone, in milliseconds as if it were UTC. Pure.
//
// They are sent without an offset, and the service reads them in that zone: so the page needs no zone rules.

import { DAY, MONTHS, dayText, spanText } from "../text/format.js";

const NAMES = { today: "Today", yesterday: "Yesterday", "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days" };
const DAYS = { "7d": 7, "30d": 30, "90d": 90 };
const CALENDAR = { month: 1, quarter: 3, year: 12 }; // months

export const RANGES = [...Object.keys(NAMES), "day", ...Object.keys(CALENDAR), "custom"];
export const COMPARISONS = { previous: "previous period", year: "same period a year ago", none: "" };

/** Milliseconds of an offset such as "+05:45". */
export function offsetMilliseconds(offset) {
  const [hours, minutes, seconds = 0] = offset.slice(1).split(":").map(Number);
  return (offset[0] === "-" ? -1 : 1) * ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

/** A wall-clock time such as "2026-11-23T14:05", or a date alone; NaN if it is invalid. */
export function parseLocal(text) {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?))?$/.exec(text ?? "");
  return match ? Date.parse(`${match[1]}T${match[2] ?? "00:00"}Z`) : NaN;
}

/** Milliseconds as a wall-clock time, to the minute. */
export function localText(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 16);
}

const dayOf = (milliseconds) => Math.floor(milliseconds / DAY) * DAY;

/** The start of the month, quarter or year (of that many months) around a time, or of one further on. */
function calendarStart(milliseconds, months, further = 0) {
  const date = new Date(milliseconds);
  const month = date.getUTCMonth();
  return Date.UTC(date.getUTCFullYear(), month - (month % months) + further * months, 1);
}

/** The same day and time some months away, or the last day of that month. */
function shiftMonths(milliseconds, months) {
  const date = new Date(milliseconds);
  const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1));
  const length = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  return first.getTime() + (Math.min(date.getUTCDate(), length) - 1) * DAY + (milliseconds - dayOf(milliseconds));
}

/** Start and end (exclusive) of a view's range; `now` is the wall clock of the zone. */
export function rangeOf(view, now) {
  if (view.range === "custom") return { start: parseLocal(view.start), end: parseLocal(view.end) };
  const day = view.at ? parseLocal(view.at) : dayOf(now);
  const months = CALENDAR[view.range];
  if (months) return { start: calendarStart(day, months), end: calendarStart(day, months, 1) };
  if (view.range === "yesterday" && !view.at) return { start: day - DAY, end: day };
  // To the next midnight, so that interval and stream stay the same all day.
  return { start: day - ((DAYS[view.range] ?? 1) - 1) * DAY, end: day + DAY };
}

/** The name of a view's range, such as "Last 7 days", "November 2026" or "Q4 2026". */
export function nameOf(view, { start, end }) {
  const year = new Date(start).getUTCFullYear();
  if (view.range === "custom") return spanText(start, end);
  if (view.range === "month") return `${MONTHS[new Date(start).getUTCMonth()]} ${year}`;
  if (view.range === "quarter") return `Q${new Date(start).getUTCMonth() / 3 + 1} ${year}`;
  if (view.range === "year") return String(year);
  if (!view.at) return NAMES[view.range];
  const days = DAYS[view.range];
  return days ? `${days} days until ${dayText(end - DAY, { year: true })}` : spanText(start, end);
}

/** The choice (`{range, at, start, end}`) one step back (-1) or forward (1); null forward of the present. */
export function step(view, now, direction) {
  const { start, end } = rangeOf(view, now);
  if (direction > 0 && end > now) return null;
  const span = end - start;
  if (view.range === "custom") {
    return { range: "custom", at: "", start: localText(start + direction * span), end: localText(end + direction * span) };
  }
  const months = CALENDAR[view.range];
  const today = dayOf(now);
  const day = months ? calendarStart(start, months, direction) : end - DAY + direction * span;
  const current = months ? calendarStart(now, months) <= day : day >= today;
  const choice = { range: months || DAYS[view.range] ? view.range : "day", at: current ? "" : localText(day).slice(0, 10), start: "", end: "" };
  if (choice.range === "day" && current) return { ...choice, range: "today" };
  if (choice.range === "day" && day === today - DAY) return { ...choice, range: "yesterday", at: "" };
  return choice;
}

/** The period compared with: `whole`, and the `part` that is as long as the elapsed part of the range. Null if there is none. */
export function comparisonOf(view, { start, end }, now) {
  const elapsed = Math.min(end, Math.ceil(now / 300_000) * 300_000);
  if (view.compare === "none" || elapsed <= start) return null;
  const months = view.compare === "year" ? 12 : CALENDAR[view.range];
  const whole = months
    ? { start: shiftMonths(start, -months), end: shiftMonths(end, -months) }
    : { start: start - (end - start), end: start };
  const part = elapsed < end ? { start: whole.start, end: Math.min(whole.end, whole.start + (elapsed - start)) } : whole;
  // Comparable are hours and weekdays that both periods contain equally often.
  const equal = part.end - part.start === elapsed - start;
  const shift = start - whole.start;
  return { whole, part, hours: equal && shift % DAY === 0, weekdays: equal && shift % (7 * DAY) === 0 };
}

/** The range as query parameters. */
export function asQuery({ start, end }) {
  return { start: localText(start), end: localText(end) };
}

/** The error of a custom range as a sentence, or "". */
export function rangeError({ start, end }) {
  if (Number.isNaN(start) || Number.isNaN(end)) return "Enter both a start and an end.";
  if (end <= start) return "The end must be after the start.";
  if (end - start > 400 * DAY) return "A range can span at most 400 days.";
  return "";
}

/** How the effective interval differs from the requested one: "", "wider" or "clipped" (older days are not kept). */
export function difference(requested, covers) {
  // A midnight that a clock change skips is read a bit later, which is not clipping.
  if (parseLocal(covers.start.local) > requested.start + 2 * 3_600_000) return "clipped";
  const start = parseLocal(covers.start.local) < requested.start;
  const end = parseLocal(covers.end.local) > requested.end;
  return start || end ? "wider" : "";
}
