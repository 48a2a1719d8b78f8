// Ranges of wall-clock time in the organization's zone. Pure.
//
// The service reads date-times without an offset in that zone, so the page never needs its rules: wall-clock times are
// kept as if they were UTC, in milliseconds, and written without an offset. Only "today" needs the offset of now.

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

/** A wall-clock time such as "2026-11-23T14:05" (or a date alone) as milliseconds; NaN when it is none. */
export function parseLocal(text) {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?))?$/.exec(text ?? "");
  return match ? Date.parse(`${match[1]}T${match[2] ?? "00:00"}Z`) : NaN;
}

/** The other way round, to the minute. */
export function localText(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 16);
}

/** Start and end (exclusive) of a named range, `now` being the wall clock of the zone. */
export function rangeOf(place, now) {
  if (place.range === "custom") return { start: parseLocal(place.start), end: parseLocal(place.end) };
  const today = now - (((now % DAY) + DAY) % DAY);
  if (place.range === "yesterday") return { start: today - DAY, end: today };
  const days = { "7d": 7, "30d": 30, "90d": 90 }[place.range] ?? 1;
  // The end lies ahead, at midnight: the interval then stays the same all day, and so does the stream.
  return { start: today - (days - 1) * DAY, end: today + DAY };
}

/**
 * The range before, as long as what has passed of this one: Monday at noon is compared with Sunday until noon,
 * not with all of Sunday. Null when nothing has passed yet.
 */
export function rangeBefore({ start, end }, now) {
  const passed = Math.min(end, Math.ceil(now / FIVE_MINUTES) * FIVE_MINUTES);
  const span = end - start;
  return passed > start ? { start: start - span, end: passed - span } : null;
}

/** Which charts of a range and of the one before hold the same hours, and the same weekdays, equally often. */
export function alike({ start, end }) {
  return { hours: (end - start) % DAY === 0, weekdays: (end - start) % (7 * DAY) === 0 };
}

/** What to ask the service for. */
export function asQuery({ start, end }) {
  return { start: localText(start), end: localText(end) };
}

/** What is wrong with a custom range, in a sentence; empty when nothing is. */
export function faultOf({ start, end }) {
  if (Number.isNaN(start) || Number.isNaN(end)) return "Give both a start and an end.";
  if (end <= start) return "The end must be after the start.";
  if (end - start > 400 * DAY) return "A range can span 400 days at most.";
  return "";
}

/** How the effective interval differs from the one asked for: "", "wider" or "clipped" (older days aren't kept). */
export function difference(asked, covers) {
  // A midnight that a clock change skips is read an hour or so later; that is no clipping.
  if (parseLocal(covers.start.local) > asked.start + 2 * 3_600_000) return "clipped";
  const start = parseLocal(covers.start.local) < asked.start;
  const end = parseLocal(covers.end.local) > asked.end;
  return start || end ? "wider" : "";
}
