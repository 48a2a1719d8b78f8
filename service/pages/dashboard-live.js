// The live report: server-sent events over fetch(), because EventSource can't send an Authorization header.
//
// A connection counts as lost when it ends, or when it was silent for longer than the service's comments (every 15
// seconds) allow: a laptop that slept or a dead proxy leaves connections that never end.

import { Problem, parseAnswer, parseInterval } from "./dashboard-api.js";

const SILENCE = 40_000;
const SHORTEST = 1_000;
const LONGEST = 30_000;

/**
 * Follow a stream until `signal` aborts, reconnecting with growing pauses.
 *
 * `open(signal)` gives the response. `on.answer(answer, covers)` (`covers` may be null), `on.state(name, {retryAt, problem})` with the names
 * "connecting", "live" and "lost", `on.heard()` with whatever comes, `on.problem(problem)` for an answer that trying
 * again won't change (the end then).
 * Returns a function that cuts a pause short.
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
      if (!problem.passing) {
        on.problem(problem);
        return;
      }
      const pause = Math.min(LONGEST, SHORTEST * 2 ** failures++);
      // A crowd of pages that lost one server must not come back at one instant.
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

  /** One connection from its start to its end; what ended it. */
  async function connect(alive) {
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
        // Only reading may fail here; a fault in what the page does with an answer is not a lost connection.
        const { value, done, broken } = await text.read().catch(() => ({ broken: true }));
        if (broken) return lost(attempt.signal.aborted ? "The service fell silent." : "The network broke off.");
        if (done) return lost("The service ended it.");
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE);
        if (first) alive();
        on.heard();
        events.feed(value);
      }
    } catch (error) {
      if (error instanceof Problem) return error;
      if (attempt.signal.aborted) return lost("The service fell silent.");
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

/** Cuts a text/event-stream into events; comments and unknown fields pass unseen. */
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
