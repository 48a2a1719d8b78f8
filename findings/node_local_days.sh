#!/usr/bin/env bash
# Packages of Node begin a local day at 23:00 of the day before, or twice, and add a repeated hour to its namesake.
#
# Guess: startOf("day") and startOf("hour") of a package that knows zones are the first instant of that day or hour.
# Seen with Node 20.20.2, TZ=UTC, as the day of the month, time and offset: temporal-polyfill 1.0.8 is right. luxon 3.7.2,
# moment-timezone 0.6.6 and js-joda (6.3.2, zones 2.25.2) are too, but where midnight is repeated: there the start of a day
# depends on the hour asked from. date-fns-tz 3.2.0 begins days without a midnight at 23:00 of the day before, dayjs 1.11.23 only
# in zones east of UTC. spacetime 7.15.0 does so for any day with a clock change, Helsinki's too. Both hours of a repeated one are
# one for dayjs, date-fns-tz and @date-fns/tz 1.5.0 (date-fns 4.4.0): the later one in Helsinki, the earlier one in New York.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

node luxon@3.7.2 moment-timezone@0.6.6 dayjs@1.11.23 date-fns@4.4.0 @date-fns/tz@1.5.0 date-fns-tz@3.2.0 @js-joda/core@6.3.2 \
  @js-joda/timezone@2.25.2 spacetime@7.15.0 temporal-polyfill@1.0.8

cat >"$folder/days.mjs" <<'NODE'
import * as joda from "@js-joda/core";
import "@js-joda/timezone";
import { TZDate } from "@date-fns/tz";
import * as dateFns from "date-fns";
import { fromZonedTime, toZonedTime } from "date-fns-tz";
import dayjs from "dayjs";
import dayjsTimezone from "dayjs/plugin/timezone.js";
import dayjsUtc from "dayjs/plugin/utc.js";
import { DateTime } from "luxon";
import moment from "moment-timezone";
import spacetime from "spacetime";
import { Temporal } from "temporal-polyfill";

dayjs.extend(dayjsUtc);
dayjs.extend(dayjsTimezone);
const PACKAGES = {
  "temporal-polyfill": (at, zone, unit) => {
    const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
    return (unit === "day" ? local.startOfDay() : local.round({ smallestUnit: unit, roundingMode: "floor" })).epochMilliseconds;
  },
  luxon: (at, zone, unit) => DateTime.fromMillis(at, { zone }).startOf(unit).toMillis(),
  "moment-timezone": (at, zone, unit) => moment.tz(at, zone).startOf(unit).valueOf(),
  "js-joda": (at, zone, unit) => {
    const local = joda.ZonedDateTime.ofInstant(joda.Instant.ofEpochMilli(at), joda.ZoneId.of(zone));
    return local.truncatedTo(joda.ChronoUnit[`${unit.toUpperCase()}S`]).toInstant().toEpochMilli();
  },
  dayjs: (at, zone, unit) => dayjs.tz(at, zone).startOf(unit).valueOf(),
  "@date-fns/tz": (at, zone, unit) => (unit === "day" ? dateFns.startOfDay : dateFns.startOfHour)(new TZDate(at, zone)).getTime(),
  "date-fns-tz": (at, zone, unit) =>
    fromZonedTime((unit === "day" ? dateFns.startOfDay : dateFns.startOfHour)(toZonedTime(at, zone)), zone).getTime(),
  spacetime: (at, zone, unit) => spacetime(at, zone).startOf(unit).epoch,
};
const CASES = [
  ["day", "Africa/Cairo", "midnight skipped", "2024-04-26T12:00Z"],
  ["day", "Atlantic/Azores", "midnight skipped", "2024-03-31T12:00Z"],
  ["day", "Atlantic/Azores", "midnight repeated, first hour", "2024-10-27T00:30Z"],
  ["day", "Atlantic/Azores", "midnight repeated, noon", "2024-10-27T12:00Z"],
  ["day", "Europe/Helsinki", "a change at 3", "2024-03-31T12:00Z"],
  ["day", "Europe/Helsinki", "a change at 4", "2024-10-27T12:00Z"],
  ["hour", "Europe/Helsinki", "3 o'clock, the first", "2024-10-27T00:30Z"],
  ["hour", "Europe/Helsinki", "3 o'clock, the second", "2024-10-27T01:30Z"],
  ["hour", "America/New_York", "1 o'clock, the first", "2024-11-03T05:30Z"],
  ["hour", "America/New_York", "1 o'clock, the second", "2024-11-03T06:30Z"],
];

const local = (at, zone) => Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone).toString();
const start = (at, zone) => local(at, zone).replace(/^\d+-\d+-(\d+)T(\d+:\d+):\d+(...):.*/, "$1. $2$3");

for (const [unit, zone, what, time] of CASES) {
  const starts = {};
  for (const [name, ask] of Object.entries(PACKAGES)) (starts[start(ask(Date.parse(time), zone, unit), zone)] ??= []).push(name);
  console.log(`${unit}, ${zone}, ${what}, of ${start(Date.parse(time), zone)}`);
  for (const [text, names] of Object.entries(starts)) console.log(`  ${text}: ${names.join(", ")}`);
}
NODE

TZ=UTC command node "$folder/days.mjs" >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
day, Africa/Cairo, midnight skipped, of 26. 15:00+03
  26. 01:00+03: temporal-polyfill, luxon, moment-timezone, js-joda, @date-fns/tz
  25. 23:00+02: dayjs, date-fns-tz, spacetime
day, Atlantic/Azores, midnight skipped, of 31. 12:00+00
  31. 01:00+00: temporal-polyfill, luxon, moment-timezone, js-joda, dayjs, @date-fns/tz
  30. 23:00-01: date-fns-tz, spacetime
day, Atlantic/Azores, midnight repeated, first hour, of 27. 00:30+00
  27. 00:00+00: temporal-polyfill, luxon, moment-timezone, js-joda, dayjs, @date-fns/tz, date-fns-tz
  26. 01:00+00: spacetime
day, Atlantic/Azores, midnight repeated, noon, of 27. 11:00-01
  27. 00:00+00: temporal-polyfill, dayjs, @date-fns/tz, date-fns-tz
  27. 00:00-01: luxon, moment-timezone, js-joda, spacetime
day, Europe/Helsinki, a change at 3, of 31. 15:00+03
  31. 00:00+02: temporal-polyfill, luxon, moment-timezone, js-joda, dayjs, @date-fns/tz, date-fns-tz
  30. 23:00+02: spacetime
day, Europe/Helsinki, a change at 4, of 27. 14:00+02
  27. 00:00+03: temporal-polyfill, luxon, moment-timezone, js-joda, dayjs, @date-fns/tz, date-fns-tz
  27. 01:00+03: spacetime
hour, Europe/Helsinki, 3 o'clock, the first, of 27. 03:30+03
  27. 03:00+03: temporal-polyfill, luxon, moment-timezone, js-joda, spacetime
  27. 03:00+02: dayjs, @date-fns/tz, date-fns-tz
hour, Europe/Helsinki, 3 o'clock, the second, of 27. 03:30+02
  27. 03:00+02: temporal-polyfill, luxon, moment-timezone, js-joda, dayjs, @date-fns/tz, date-fns-tz, spacetime
hour, America/New_York, 1 o'clock, the first, of 03. 01:30-04
  03. 01:00-04: temporal-polyfill, luxon, moment-timezone, js-joda, dayjs, @date-fns/tz, date-fns-tz, spacetime
hour, America/New_York, 1 o'clock, the second, of 03. 01:30-05
  03. 01:00-05: temporal-polyfill, luxon, moment-timezone, js-joda, spacetime
  03. 01:00-04: dayjs, @date-fns/tz, date-fns-tz
RECORD
