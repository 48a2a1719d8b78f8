// All data of one open report: the time in its zone, the report, the period compared with, the timelines, and the live stream.

import { readClock } from "./local-time.js";
import { follow } from "./live.js";
import { Refresher } from "./refresher.js";
import { TimelineFeed } from "./timeline-feed.js";
import { asQuery, comparisonOf, rangeOf } from "../range/ranges.js";

const REFRESH = 60_000;

/**
 * Open a feed for a view of one workflow. Calls, until it is closed, `on.answer(answer)`; `on.covers(covers, range, zone)` with its effective
 * interval; `on.before(answer, covers, comparison)`, with `null`s if there is nothing to compare with; `on.timeline` as `TimelineFeed` does;
 * `on.state("live" | "lost" | "paused", {retryAt, problem})`; `on.received` and `on.fresh` as `follow` does; `on.problem(problem)` once if
 * it can't be shown. Returns `{close, retry}`.
 */
export function openFeed(api, view, on) {
  let zone = null; // its offset, and its wall clock at the last refresh
  let range = null; // relative to that wall clock
  let stream = null; // aborts the stream of the current range
  let current = ""; // the query of the stream; it changes at midnight
  let streaming = false;

  const refresher = new Refresher(refresh, REFRESH, {
    problem(problem) {
      stop();
      on.problem(problem);
    },
    lost: (more) => on.state("lost", more),
    hidden() {
      stop();
      on.state("paused", {});
    },
  });
  const timelines = new TimelineFeed(api, view, refresher.signal, on.timeline);

  const guarded = {
    answer(answer, covers) {
      if (covers) on.covers(covers, range, zone);
      on.answer(answer);
      on.received();
      timelines.changed();
    },
    connected() {
      streaming = true;
      on.state("live");
    },
    received: on.received,
    fresh: on.fresh,
  };

  async function refresh() {
    const report = (interval) => api.report(view.workflow, interval, refresher.signal);
    zone = await readClock(api, report);
    range = rangeOf(view, zone.now);
    const query = asQuery(range);
    if (current !== JSON.stringify(query)) {
      current = JSON.stringify(query);
      stop();
    }
    const { answer, covers, asOf } = await report(query);
    on.fresh(asOf);
    if (covers) on.covers(covers, range, zone);
    if (!streaming) on.answer(answer); // else the stream's answer is newer
    if (!stream && !document.hidden) listen(query);
    const comparison = comparisonOf(view, range, zone.now);
    await Promise.all([compare(comparison, report), timelines.load(range, zone, comparison)]);
    if (streaming) on.state("live"); // after an earlier refresh that failed
  }

  async function listen(query) {
    const own = new AbortController();
    stream = own;
    const problem = await follow((signal) => api.live(view.workflow, query, signal), guarded, own.signal).catch((error) => error);
    if (own.signal.aborted) return;
    stop();
    refresher.failed(problem);
  }

  function stop() {
    streaming = false;
    stream?.abort();
    stream = null;
  }

  async function compare(comparison, report) {
    if (!comparison) return on.before(null, null, null);
    try {
      const { answer, covers } = await report(asQuery(comparison.part));
      on.before(answer, covers, comparison);
    } catch (error) {
      if (refresher.signal.aborted || error.status !== 400) throw error;
      on.before(null, null, comparison); // it lies before the oldest day kept
    }
  }

  return {
    close() {
      refresher.close();
      stop();
    },
    retry: refresher.attempt,
  };
}
