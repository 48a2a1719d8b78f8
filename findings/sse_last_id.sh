#!/usr/bin/env bash
# The id of the last event comes back as a query parameter from one EventSource package of npm, and another forgets it.
#
# Guess: as the standard says, an id holds for later events without one, and comes back as the header Last-Event-ID.
# Seen on Node 20, a stream of an event with id 7 and one without: event-source-polyfill 1.0.31 sends no header. It adds
# lastEventId=7 to the query string; a server that refuses unknown parameters so refuses its return, and then it gives up.
# eventsource-client 1.2.0 sends the header, but gives the second event no id. eventsource 5.1.5 and launchdarkly-eventsource
# 2.2.0 do both as the standard says (eventsource 4.1.1 gave the second event none).
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

node eventsource@5.1.5 event-source-polyfill@1.0.31 launchdarkly-eventsource@2.2.0 eventsource-client@1.2.0

cat >"$folder/ids.mjs" <<'NODE'
import { createServer } from "node:http";
import { EventSource } from "eventsource";
import polyfill from "event-source-polyfill";
import launchdarkly from "launchdarkly-eventsource";
import { createEventSource } from "eventsource-client";

const requests = {};
const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  (requests[url.pathname.slice(1)] ??= []).push(`header ${request.headers["last-event-id"] ?? "none"}, query ${url.search || "none"}`);
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write("retry: 100\nid: 7\ndata: first\n\ndata: second\n\n");
  setTimeout(() => response.end(), 200);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}`;

const ids = {};
const listen = (name) => (event) => (ids[name] ??= []).push(event.lastEventId ?? event.id ?? "");
const open = {
  "eventsource": (url) => new EventSource(url),
  "launchdarkly-eventsource": (url) => new (launchdarkly.EventSource ?? launchdarkly)(url),
  "event-source-polyfill": (url) => new (polyfill.EventSourcePolyfill ?? polyfill)(url),
};
for (const [name, connect] of Object.entries(open)) {
  const source = connect(`${base}/${name}`);
  source.onmessage = listen(name);
  source.onerror = () => {};
}
createEventSource({ url: `${base}/eventsource-client`, onMessage: listen("eventsource-client") });
setTimeout(() => {
  for (const name of [...Object.keys(open), "eventsource-client"]) {
    console.log(`${name}: ids ${JSON.stringify(ids[name].slice(0, 2))}, second request: ${requests[name][1]}`);
  }
  process.exit();
}, 4000);
NODE
(cd "$folder" && command node ids.mjs) >"$folder/seen" 2>"$folder/errors"

verdict "$folder/seen" <<'RECORD'
eventsource: ids ["7","7"], second request: header 7, query none
launchdarkly-eventsource: ids ["7","7"], second request: header 7, query none
event-source-polyfill: ids ["7","7"], second request: header none, query ?lastEventId=7
eventsource-client: ids ["7",""], second request: header 7, query none
RECORD
