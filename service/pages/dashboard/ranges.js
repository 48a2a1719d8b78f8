// Ranges of wall-clock time in the organization's zone. Pure.
//
// The service reads date-times without an offset in that zone, so the page needs no zone rules: wall-clock times are stored as if
// they were UTC, in milliseconds, and sent without an offset. Only "today" needs the current offset.

const DAY = 86_400_000;
const FIVE_MINUTES = 300_000;

export const NAMES = {
  today: "Today",
  yesterday: "Yesterday",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  custom: "Custom range",
};

/** Milliseconds of an offset such as "+05:45". */
export function offsetMilliseconds(offset) {
  const [hours, minutes, seconds = 0] = offset.slice(1).split(":").map(Number);
  return (offset[0] === "-" ? -1 : 1) * ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

/** A wall-clock time such as "2026-11-23T14:05" (or a date alone) in milliseconds; NaN if it is invalid. */
export function parseLocal(text) {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?))?$/.exec(text ?? "");
  return match ? Date.parse(`${match[1]}T${match[2] ?? "00:00"}Z`) : NaN;
}

/** Milliseconds as a wall-clock time, to the minute. */
export function localText(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 16);
}

/** Start and end (exclusive) of a named range; `now` is the wall clock of the zone. */
export function rangeOf(view, now) {
  if (view.range === "custom") return { start: parseLocal(view.start), end: parseLocal(view.end) };
  const today = now - (((now % DAY) + DAY) % DAY);
  if (view.range === "yesterday") return { start: today - DAY, end: today };
  const days = { "7d": 7, "30d": 30, "90d": 90 }[view.range] ?? 1;
  // The end is the next midnight: so the interval, and with it the stream, stays the same all day.
  return { start: today - (days - 1) * DAY, end: today + DAY };
}

/**
 * The previous period, as long as the elapsed part of this range: Monday at noon is compared with Sunday until noon, not with all of
 * Sunday. Null if the range lies in the future.
 */
export function previousRange({ start, end }, now) {
  const elapsed = Math.min(end, Math.ceil(now / FIVE_MINUTES) * FIVE_MINUTES);
  const span = end - start;
  return elapsed > start ? { start: start - span, end: elapsed - span } : null;
}

/** Tell which charts of a range and its previous period contain each hour, and each weekday, equally often. */
export function comparable({ start, end }) {
  return { hours: (end - start) % DAY === 0, weekdays: (end - start) % (7 * DAY) === 0 };
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

/** The difference of the effective interval from the requested one: "", "wider" or "clipped" (older days are not kept). */
export function difference(requested, covers) {
  // A midnight that a clock change skips is read up to an hour or so later, which is not clipping.
  if (parseLocal(covers.start.local) > requested.start + 2 * 3_600_000) return "clipped";
  const start = parseLocal(covers.start.local) < requested.start;
  const end = parseLocal(covers.end.local) > requested.end;
  return start || end ? "wider" : "";
}
