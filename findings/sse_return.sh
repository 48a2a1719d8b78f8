#!/usr/bin/env bash
# After a restart's 502 or 503 half of npm's EventSource packages never come back; after a 401 one never stops.
#
# Guess: all follow the standard: an answer other than 200 ends it for good, 204 too, the end of a stream does not.
# Seen on Node 20, first answer as named, then streams of 0.2 s with "retry: 100", requests counted for 4 s. eventsource 5.1.5
# follows the standard. launchdarkly-eventsource 2.2.0 comes back after 503, not after 401. eventsource-client 1.2.0 comes back
# after both, as often as it is told, so a revoked token is asked about for ever. event-source-polyfill 1.0.31 comes back after
# 204, which is how a server says stop. @microsoft/fetch-event-source 2.0.1 comes back after all of them, but takes the end of
# a stream for the end of all, where a proxy's time limit or a deploy would be.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

node eventsource@5.1.5 event-source-polyfill@1.0.31 launchdarkly-eventsource@2.2.0 eventsource-client@1.2.0 \
  @microsoft/fetch-event-source@2.0.1

cat >"$folder/return.mjs" <<'NODE'
import { createServer } from "node:http";
import { EventSource } from "eventsource";
import polyfill from "event-source-polyfill";
import launchdarkly from "launchdarkly-eventsource";
import { createEventSource } from "eventsource-client";
import { fetchEventSource } from "@microsoft/fetch-event-source";

// The browser's names that this package asks for.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

const requests = {};
const server = createServer((request, response) => {
  const [, name, status] = request.url.split(/[/?]/);
  const key = `${name} ${status}`;
  requests[key] = (requests[key] ?? 0) + 1;
  if (status !== "200" && (status === "401" || requests[key] === 1)) {
    response.writeHead(Number(status)).end();
    return;
  }
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write("retry: 100\ndata: here\n\n");
  setTimeout(() => response.end(), 200);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}`;

const open = {
  "eventsource": (url) => new EventSource(url),
  "launchdarkly-eventsource": (url) => new (launchdarkly.EventSource ?? launchdarkly)(url),
  "event-source-polyfill": (url) => new (polyfill.EventSourcePolyfill ?? polyfill)(url),
  "eventsource-client": (url) => createEventSource({ url }),
  "fetch-event-source": (url) => fetchEventSource(url, { fetch }).catch(() => {}),
};
const statuses = ["200", "204", "401", "503"];
for (const [name, connect] of Object.entries(open)) {
  for (const status of statuses) {
    const source = connect(`${base}/${name}/${status}`);
    if ("onerror" in source) source.onerror = () => {};
  }
}
setTimeout(() => {
  for (const name of Object.keys(open)) {
    console.log(`${name}:`, statuses.map((status) => `${status} ${requests[`${name} ${status}`] > 1 ? "again" : "over"}`).join(", "));
  }
  process.exit();
}, 4000);
NODE
(cd "$folder" && command node return.mjs) >"$folder/seen" 2>"$folder/errors"

verdict "$folder/seen" <<'RECORD'
eventsource: 200 again, 204 over, 401 over, 503 over
launchdarkly-eventsource: 200 again, 204 over, 401 over, 503 again
event-source-polyfill: 200 again, 204 again, 401 over, 503 over
eventsource-client: 200 again, 204 over, 401 again, 503 again
fetch-event-source: 200 over, 204 again, 401 again, 503 again
RECORD
