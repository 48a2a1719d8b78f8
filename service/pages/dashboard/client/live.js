// The live stream: server-sent events over fetch(), because EventSource can't send an Authorization header.

import { parseAnswer, parseInterval } from "./api.js";
import { Problem } from "./http.js";

// The service sends something every 4 seconds; after a sleep of the computer or a crash of a proxy, connections may never end.
const SILENCE = 40_000;

/**
 * Follow the stream that `open(signal)` responds with, until it ends or `stopped` aborts; returns the problem that ended it. Calls
 * `on.connected()`, `on.received()` with any data, `on.answer(answer, covers)`, and `on.fresh(asOf)`.
 */
export async function follow(open, on, stopped) {
  const attempt = new AbortController();
  const stop = () => attempt.abort();
  const events = new EventReader((name, data, id) => {
    if (name === "sidedata") on.answer(parseAnswer(data), parseInterval(id));
    if (name === "status") on.fresh(Date.parse(JSON.parse(data).as_of));
    if (name === "problem") throw new Problem(JSON.parse(data));
  });
  let timer = setTimeout(stop, SILENCE);
  stopped.addEventListener("abort", stop, { once: true });
  try {
    const response = await open(attempt.signal);
    const text = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let first = true; ; first = false) {
      // Only a failed read is a lost connection, not a bug in the use of an answer.
      const { value, done, broken } = await text.read().catch(() => ({ broken: true }));
      if (broken) return lost(attempt.signal.aborted ? "The service sent nothing for too long." : "The network connection broke.");
      if (done) return lost("The service closed the connection.");
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE);
      if (first) on.connected();
      on.received();
      events.feed(value);
    }
  } catch (error) {
    if (error instanceof Problem) return error;
    if (attempt.signal.aborted) return lost("The service sent nothing for too long.");
    throw error;
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener("abort", stop);
    attempt.abort();
  }
}

function lost(detail) {
  return new Problem({ title: "Connection lost", detail });
}

/** Parses text/event-stream as the service writes it; ignores comments. `take(name, data, id)` gets each event. */
export class EventReader {
  #rest = "";

  constructor(take) {
    this.take = take;
  }

  feed(text) {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop();
    for (const block of blocks) {
      const fields = { event: [], data: [], id: [] };
      for (const line of block.split("\n")) {
        const [, field, value] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
        fields[field]?.push(value);
      }
      if (fields.data.length) this.take(fields.event[0], fields.data.join("\n"), fields.id[0]);
    }
  }
}
