// Ticks below a timeline: at round times, and as many as there is room for. Pure.

import { DAY, MONTHS, clockText, dayText } from "../text/format.js";

const HOUR = 3_600_000;
const LETTER = 6.5; // pixels, about
const DISTANCE = 14; // between labels

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

function label(time, granularity, weekday) {
  if (granularity === "month") return `${MONTHS[new Date(time).getUTCMonth()].slice(0, 3)}${new Date(time).getUTCMonth() ? "" : ` ${new Date(time).getUTCFullYear()}`}`;
  if (granularity === "5min" || (granularity === "hour" && hours(time))) return clockText(time);
  return dayText(time, { weekday: weekday || granularity === "hour" });
}

/** The indexes of the points with a tick, each with its label; `starts` are their wall-clock times, `slot` the pixels of each. */
export function timeTicks(starts, granularity, slot) {
  const weekdays = starts.length <= 14 ? [true, false] : [false];
  let ticks = [];
  for (const rule of RULES[granularity]) {
    for (const weekday of weekdays) {
      const found = starts.flatMap((time, index) => (rule(time) ? [{ index, text: label(time, granularity, weekday) }] : []));
      const width = (at) => found[at].text.length * LETTER;
      const roomy = found.every(({ index }, at) => !at || (index - found[at - 1].index) * slot >= (width(at - 1) + width(at)) / 2 + DISTANCE);
      if (found.length) ticks = found;
      if (found.length && roomy) return ticks;
    }
  }
  return ticks;
}
