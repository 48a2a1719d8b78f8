// All that one open view takes from the service: the clock of its zone, the report, the report before it, the stream.

import { follow } from "./dashboard-live.js";
import { asQuery, offsetMilliseconds, rangeBefore, rangeOf } from "./dashboard-ranges.js";

const REFRESH = 60_000;
const HIDDEN = 30_000;

/**
 * Open a view of `place` (`{workflow, range, start, end}`). Calls, until it is closed:
 *
 * `on.answer(answer)` with each report; `on.covers(covers, range, zone)` with what it covers; `on.before(answer, covers,
 * before, range)` with the report of the range before, `null`s where there is none; `on.state(name, {retryAt, problem})` and
 * `on.heard()` as the stream does; `on.problem(problem)` when the view can't be shown; it is over then.
 *
 * Returns `{close, retry}`.
 */
export function openView(api, place, on) {
  const whole = new AbortController();
  let zone = null; // its offset, and the wall clock there when it was last asked for
  let range = null; // by that wall clock
  let stream = null; // of the range shown: {stop, wake}
  let shown = ""; // the query of the stream, so that the page notices midnight
  let hiding = 0;
  let streaming = false;
  let busy = false;
  let again = 0;
  let failures = 0;

  const guarded = {
    answer: (answer, covers) => {
      if (covers) on.covers(covers, range, zone);
      on.answer(answer);
      on.heard();
    },
    state: (name, more) => {
      streaming = name === "live";
      on.state(name, more);
    },
    heard: on.heard,
    problem: fail,
  };

  function fail(problem) {
    if (whole.signal.aborted) return;
    close();
    on.problem(problem);
  }

  /** The wall clock of the zone as milliseconds, and its offset, both for now. */
  async function askClock() {
    const now = api.now();
    const query = { start: new Date(now - 60_000).toISOString(), end: new Date(now).toISOString() };
    const { covers } = await api.report(place.workflow, query, whole.signal);
    const offset = covers?.end.offset ?? "+00:00";
    return { offset, now: api.now() + offsetMilliseconds(offset) };
  }

  async function refresh() {
    zone = await askClock();
    range = rangeOf(place, zone.now);
    const query = asQuery(range);
    if (shown !== JSON.stringify(query)) {
      shown = JSON.stringify(query);
      stop();
    }
    const { answer, covers } = await api.report(place.workflow, query, whole.signal);
    if (!streaming) guarded.answer(answer, covers); // else the stream's is newer
    else if (covers) on.covers(covers, range, zone);
    if (!document.hidden) listen(query);
    await compare();
  }

  function listen(query) {
    if (stream || whole.signal.aborted) return;
    const own = new AbortController();
    const wake = follow((signal) => api.live(place.workflow, query, signal), guarded, own.signal);
    stream = { stop: () => own.abort(), wake };
  }

  function stop() {
    streaming = false;
    stream?.stop();
    stream = null;
  }

  async function compare() {
    const before = rangeBefore(range, zone.now);
    if (!before) return on.before(null, null, null, range);
    try {
      const { answer, covers } = await api.report(place.workflow, asQuery(before), whole.signal);
      return on.before(answer, covers, before, range);
    } catch (error) {
      if (whole.signal.aborted || error.status !== 400) throw error;
      return on.before(null, null, before, range); // before the oldest day kept
    }
  }

  /** Ask for everything again. Troubles that pass are told by the stream or, before there is one, here. */
  async function attempt() {
    if (busy) return;
    busy = true;
    clearTimeout(again);
    try {
      await refresh();
      failures = 0;
    } catch (problem) {
      if (whole.signal.aborted) return;
      if (!problem.passing) return fail(problem);
      if (stream) return;
      const delay = Math.max(1000 * 2 ** Math.min(failures++, 5), (problem.retryAfter ?? 0) * 1000);
      again = setTimeout(attempt, delay);
      on.state("lost", { retryAt: Date.now() + delay, problem });
    } finally {
      busy = false;
    }
  }

  // Browsers allow six connections to a host, so a tab that nobody looks at gives its own back after a while.
  function visibility() {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => {
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
    clearTimeout(hiding);
    clearTimeout(again);
    document.removeEventListener("visibilitychange", visibility);
    removeEventListener("online", retry);
  }

  const timer = setInterval(() => document.hidden || attempt(), REFRESH);
  document.addEventListener("visibilitychange", visibility);
  addEventListener("online", retry);
  attempt();
  return { close, retry };
}
