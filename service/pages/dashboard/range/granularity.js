// The size of a timeline's points. Pure.

import { DAY } from "../text/format.js";

const SIZES = { "5min": 300_000, hour: 3_600_000, day: DAY, week: 7 * DAY, month: 30.4 * DAY };
export const GRANULARITIES = Object.keys(SIZES);
export const GRANULARITY_NAMES = { "5min": "5 minutes", hour: "hour", day: "day", week: "week", month: "month" };
const MOST_POINTS = 400; // more than a chart can show; the service allows 1,000

const points = ({ start, end }, granularity) => (end - start) / SIZES[granularity];

/** The granularities that a person may choose for a range. */
export function fitting(range) {
  return GRANULARITIES.filter((each) => points(range, each) >= 2 && points(range, each) <= MOST_POINTS);
}

/** The granularity that fits a range best, if there is no other `choice`. */
export function bestFor(range, choice) {
  const allowed = fitting(range);
  if (allowed.includes(choice)) return choice;
  const span = range.end - range.start;
  if (span <= 6 * SIZES.hour) return "5min";
  if (span <= 2 * DAY) return "hour";
  if (span <= 100 * DAY) return "day";
  return span <= 200 * DAY ? "week" : "month";
}

/** For a sparkline, which has less room. */
export function bestForSparkline(range) {
  const granularity = bestFor(range, "");
  if (granularity === "5min") return "hour";
  return granularity === "day" && points(range, "day") > 62 ? "week" : granularity;
}

/** The next coarser granularity: older buckets of the finer one are no longer kept. Undefined after the coarsest. */
export const coarser = (granularity) => GRANULARITIES[GRANULARITIES.indexOf(granularity) + 1];

/** Fetch with `fetchBy(granularity)`, with coarser points where the service no longer keeps such fine ones. */
export async function withFallback(granularity, fetchBy) {
  for (let by = granularity; ; by = coarser(by)) {
    try {
      return { ...(await fetchBy(by)), granularity: by };
    } catch (error) {
      if (!error.refuses?.("/granularity") || !coarser(by)) throw error;
    }
  }
}
