// Ticks below a timeline: at round times, and as many as there is room for. Pure.

import { DAY, MONTHS, clockText, dayText } from "../text/format.js";

const HOUR = 3_600_000;
const ROOM = 64; // pixels that a label takes, with its distance to the next

const isMonday = (time) => new Date(time).getUTCDay() === 1;
const dayOfMonth = (time) => new Date(time).getUTCDate();
const hours = (time) => (time % DAY) / HOUR;
const every = (step) => (time) => hours(time) % step === 0;

// From the densest to the sparsest; the first whose ticks have room is taken.
const RULES = {
  "5min": [(time) => time % (HOUR / 4) === 0, (time) => time % (HOUR / 2) === 0, every(1), every(2), every(6)],
  hour: [every(1), every(2), every(3), every(6), every(12), every(24), (time) => hours(time) === 0 && isMonday(time)],
  day: [() => true, isMonday, (time) => [1, 15].includes(dayOfMonth(time)), (time) => dayOfMonth(time) === 1],
  week: [() => true, (time) => dayOfMonth(time) <= 7, (time) => dayOfMonth(time) <= 7 && new Date(time).getUTCMonth() % 3 === 0],
  month: [() => true, (time) => new Date(time).getUTCMonth() % 3 === 0, (time) => new Date(time).getUTCMonth() === 0],
};

function label(time, granularity, few) {
  if (granularity === "month") return `${MONTHS[new Date(time).getUTCMonth()].slice(0, 3)}${new Date(time).getUTCMonth() ? "" : ` ${new Date(time).getUTCFullYear()}`}`;
  if (granularity === "5min" || (granularity === "hour" && hours(time))) return clockText(time);
  return dayText(time, { weekday: few || granularity === "hour" });
}

/** The indexes of the points with a tick, each with its label; `starts` are their wall-clock times, `slot` the pixels of each. */
export function timeTicks(starts, granularity, slot) {
  const rules = RULES[granularity];
  for (const rule of rules) {
    const found = starts.flatMap((time, index) => (rule(time) ? [index] : []));
    const roomy = found.every((index, at) => at === 0 || (index - found[at - 1]) * slot >= ROOM);
    if (found.length && (roomy || rule === rules.at(-1))) {
      const few = starts.length <= 14;
      return found.map((index) => ({ index, text: label(starts[index], granularity, few) }));
    }
  }
  return [];
}
