// The live stream: server-sent events over fetch(), because EventSource can't send an Authorization header.
//
// A connection counts as lost when it ends, or when it is silent for much longer than the interval of the service's comments (15
// seconds): after a sleep of the computer or a crash of a proxy, connections may never end.

import { Problem, parseAnswer, parseInterval } from "./api.js";

const SILENCE = 40_000;
const SHORTEST = 1_000;
const LONGEST = 30_000;

/**
 * Follow a stream until `signal` aborts, reconnecting with exponential backoff.
 *
 * `open(signal)` returns the response. Calls `on.answer(answer, covers)` (`covers` may be null), `on.state(name, {retryAt, problem})` with
 * the names "connecting", "live" and "lost", `on.received()` with any data, and `on.problem(problem)` once for a permanent error.
 * Returns a function that ends the current pause.
 */
export function follow(open, on, signal) {
  let wake = () => {};
  run().catch((error) => {
    if (!signal.aborted) on.problem(error);
  });
  return () => wake();

  async function run() {
    let failures = 0;
    while (!signal.aborted) {
      on.state("connecting", {});
      const problem = await connect(() => {
        failures = 0;
        on.state("live", {});
      });
      if (signal.aborted) return;
      if (!problem.temporary) {
        on.problem(problem);
        return;
      }
      const pause = Math.min(LONGEST, SHORTEST * 2 ** failures++);
      // Jitter, so that many pages don't reconnect to a restarted server at one instant.
      const delay = Math.max(pause * (0.5 + Math.random() / 2), problem.retryAfter * 1000);
      on.state("lost", { retryAt: Date.now() + delay, problem });
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, delay);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  /** Run one connection to its end; returns the problem that ended it. */
  async function connect(onFirstData) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    const events = new EventReader((name, data, id) => {
      if (name === "sidedata") on.answer(parseAnswer(data), parseInterval(id));
      if (name === "problem") throw new Problem(JSON.parse(data));
    });
    let timer = setTimeout(stop, SILENCE);
    signal.addEventListener("abort", stop, { once: true });
    try {
      const response = await open(attempt.signal);
      const text = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let first = true; ; first = false) {
        // Only a failed read counts as a lost connection, not a bug in the page's use of an answer.
        const { value, done, broken } = await text.read().catch(() => ({ broken: true }));
        if (broken) return lost(attempt.signal.aborted ? "The service sent nothing for too long." : "The network connection broke.");
        if (done) return lost("The service closed the connection.");
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE);
        if (first) onFirstData();
        on.received();
        events.feed(value);
      }
    } catch (error) {
      if (error instanceof Problem) return error;
      if (attempt.signal.aborted) return lost("The service sent nothing for too long.");
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      attempt.abort();
    }
  }
}

function lost(detail) {
  return new Problem({ title: "Connection lost", detail });
}

/** Parses text/event-stream; ignores comments and unknown fields. */
export class EventReader {
  #rest = "";
  #name = "";
  #data = [];
  #id = "";

  constructor(take) {
    this.take = take;
  }

  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) this.take(this.#name || "message", this.#data.join("\n"), this.#id);
      this.#name = "";
      this.#data = [];
      return;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "event") this.#name = value;
    if (field === "id") this.#id = value;
    if (field === "data") this.#data.push(value);
  }
}
