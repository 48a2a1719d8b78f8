// Wall-clock times of the organization's zone, from the service's answers.

import { parseInstant } from "./api.js";
import { offsetMilliseconds, parseLocal } from "../range/ranges.js";

/** The wall clock of a zone in milliseconds, and its offset; `ask(interval)` gets any answer for an interval. */
export async function readClock(api, ask) {
  const now = api.now();
  const { covers } = await ask({ start: new Date(now - 60_000).toISOString(), end: new Date(now).toISOString() });
  const offset = covers?.end.offset ?? "+00:00";
  return { offset, now: api.now() + offsetMilliseconds(offset) };
}

/** A point with its ends as wall-clock milliseconds. */
export function withLocalTimes(point) {
  return { ...point, from: parseLocal(parseInstant(point.start).local), until: parseLocal(parseInstant(point.end).local) };
}
