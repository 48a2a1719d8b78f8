#!/usr/bin/env bash
# One NaN ends a counter and a histogram's sum for the life of the process; the histogram does not even count it.
#
# Guess: a counter refuses what is not zero or more, and a histogram counts NaN under +Inf.
# Seen: prometheus-client 0.26.0 (Python) takes NaN in both. The counter is NaN from then on, whatever is added. The histogram
# leaves it out of all buckets and of its count, and its sum is NaN. prom-client 15.1.3 (npm) takes it for a counter, with the
# same end, and refuses it for a histogram.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python prometheus-client==0.26.0
node prom-client@15.1.3

cat >"$folder/nan.mjs" <<'NODE'
import client from "prom-client";

const registry = new client.Registry();
const counter = new client.Counter({ name: "events_total", help: "events", registers: [registry] });
const histogram = new client.Histogram({ name: "seconds", help: "seconds", buckets: [1], registers: [registry] });
counter.inc(NaN);
counter.inc(1);
try {
  histogram.observe(NaN);
} catch (error) {
  console.log("npm histogram:", error.name);
}
histogram.observe(0.5);
console.log((await registry.metrics()).split("\n").filter((line) => line && !line.startsWith("#")).map((line) => `npm ${line}`).join("\n"));
NODE
{
  "$folder/venv/bin/python" - <<'PYTHON'
import prometheus_client

registry = prometheus_client.CollectorRegistry()
counter = prometheus_client.Counter("events", "events", registry=registry)
histogram = prometheus_client.Histogram("seconds", "seconds", buckets=(1,), registry=registry)
for value in (float("nan"), 1):
    counter.inc(value)
for value in (float("nan"), 0.5):
    histogram.observe(value)
for line in prometheus_client.generate_latest(registry).decode().splitlines():
    if not line.startswith("#") and "created" not in line:
        print("Python", line)
PYTHON
  (cd "$folder" && command node nan.mjs)
} >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
Python events_total NaN
Python seconds_bucket{le="1.0"} 1.0
Python seconds_bucket{le="+Inf"} 1.0
Python seconds_count 1.0
Python seconds_sum NaN
npm histogram: TypeError
npm events_total Nan
npm seconds_bucket{le="1"} 1
npm seconds_bucket{le="+Inf"} 1
npm seconds_sum 0.5
npm seconds_count 1
RECORD
