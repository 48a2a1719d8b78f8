// All data of one open report: the time in its zone, the report, the previous period's report, and the live stream.

import { follow } from "./live.js";
import { asQuery, offsetMilliseconds, previousRange, rangeOf } from "./ranges.js";

const REFRESH = 60_000;
const HIDDEN = 30_000;

/**
 * Open a feed for `view` (`{workflow, range, start, end}`). Calls, until it is closed:
 *
 * `on.answer(answer)` with each report; `on.covers(covers, range, zone)` with its effective interval; `on.before(answer, covers,
 * before, range)` with the previous period's report, or `null`s if there is none; `on.state(name, {retryAt, problem})` and
 * `on.received()` as the stream does; `on.problem(problem)` once if the report can't be shown.
 *
 * Returns `{close, retry}`.
 */
export function openFeed(api, view, on) {
  const whole = new AbortController();
  let zone = null; // its offset, and its wall clock at the last refresh
  let range = null; // relative to that wall clock
  let stream = null; // of the current range: {stop, wake}
  let current = ""; // the query of the stream; it changes at midnight
  let hideTimer = 0;
  let streaming = false;
  let busy = false;
  let retryTimer = 0;
  let failures = 0;

  const guarded = {
    answer: (answer, covers) => {
      if (covers) on.covers(covers, range, zone);
      on.answer(answer);
      on.received();
    },
    state: (name, more) => {
      streaming = name === "live";
      on.state(name, more);
    },
    received: on.received,
    problem: fail,
  };

  function fail(problem) {
    if (whole.signal.aborted) return;
    close();
    on.problem(problem);
  }

  /** The current wall clock of the zone in milliseconds, and its offset. */
  async function readClock() {
    const now = api.now();
    const query = { start: new Date(now - 60_000).toISOString(), end: new Date(now).toISOString() };
    const { covers } = await api.report(view.workflow, query, whole.signal);
    const offset = covers?.end.offset ?? "+00:00";
    return { offset, now: api.now() + offsetMilliseconds(offset) };
  }

  async function refresh() {
    zone = await readClock();
    range = rangeOf(view, zone.now);
    const query = asQuery(range);
    if (current !== JSON.stringify(query)) {
      current = JSON.stringify(query);
      stop();
    }
    const { answer, covers } = await api.report(view.workflow, query, whole.signal);
    if (!streaming) guarded.answer(answer, covers); // else the stream's answer is newer
    else if (covers) on.covers(covers, range, zone);
    if (!document.hidden) listen(query);
    await compare();
  }

  function listen(query) {
    if (stream || whole.signal.aborted) return;
    const own = new AbortController();
    const wake = follow((signal) => api.live(view.workflow, query, signal), guarded, own.signal);
    stream = { stop: () => own.abort(), wake };
  }

  function stop() {
    streaming = false;
    stream?.stop();
    stream = null;
  }

  async function compare() {
    const before = previousRange(range, zone.now);
    if (!before) return on.before(null, null, null, range);
    try {
      const { answer, covers } = await api.report(view.workflow, asQuery(before), whole.signal);
      return on.before(answer, covers, before, range);
    } catch (error) {
      if (whole.signal.aborted || error.status !== 400) throw error;
      return on.before(null, null, before, range); // it lies before the oldest day kept
    }
  }

  /** Refresh everything. A temporary failure is reported by the stream or, if there is none yet, here. */
  async function attempt() {
    if (busy) return;
    busy = true;
    clearTimeout(retryTimer);
    try {
      await refresh();
      failures = 0;
    } catch (problem) {
      if (whole.signal.aborted) return;
      if (!problem.temporary) return fail(problem);
      if (stream) return;
      const delay = Math.max(1000 * 2 ** Math.min(failures++, 5), (problem.retryAfter ?? 0) * 1000);
      retryTimer = setTimeout(attempt, delay);
      on.state("lost", { retryAt: Date.now() + delay, problem });
    } finally {
      busy = false;
    }
  }

  // Browsers allow six connections to a host, so a hidden tab closes its stream after a while.
  function visibility() {
    clearTimeout(hideTimer);
    if (document.hidden) {
      hideTimer = setTimeout(() => {
        stop();
        on.state("paused", {});
      }, HIDDEN);
    } else if (!stream) {
      attempt();
    } else {
      stream.wake();
    }
  }

  function retry() {
    if (stream) stream.wake();
    else attempt();
  }

  function close() {
    whole.abort();
    stop();
    clearInterval(timer);
    clearTimeout(hideTimer);
    clearTimeout(retryTimer);
    document.removeEventListener("visibilitychange", visibility);
    removeEventListener("online", retry);
  }

  const timer = setInterval(() => document.hidden || attempt(), REFRESH);
  document.addEventListener("visibilitychange", visibility);
  addEventListener("online", retry);
  attempt();
  return { close, retry };
}
