// All data of the overview: the list of workflows, their reports with points, and the reports of the period compared with.

import { MOST_WORKFLOWS } from "../client/api.js";
import { readClock, withLocalTimes } from "../client/local-time.js";
import { Refresher } from "../client/refresher.js";
import { bestForSparkline, withFallback } from "../range/granularity.js";
import { asQuery, comparisonOf, rangeOf } from "../range/ranges.js";

const REFRESH = 5_000;
const SLOW = 60_000; // what changes slowly: the offset of the zone, the period compared with
const MOST = 300; // workflows with numbers, the newest; the others are found by their names alone
const NONE = "00000000-0000-0000-0000-000000000000";

/**
 * Open a feed for a view of all workflows. Calls, until it is closed, `on.rows({entries, reports, before, range, now, clock})`, where
 * `reports` and `before` (or null) map ids to items of an overview; the others as `openFeed` does. Returns `{close, retry}`.
 */
export function openOverview(api, view, on) {
  let zone = null;
  let slowAt = 0;
  let before = null;
  let compared = ""; // the workflows that `before` is of

  const refresher = new Refresher(refresh, REFRESH, {
    problem: on.problem,
    lost: (more) => on.state("lost", more),
    hidden: () => on.state("paused", {}),
  });

  async function refresh() {
    const entries = await api.workflows(refresher.signal);
    const ids = entries.slice(0, MOST).map(({ id }) => id);
    const slow = Date.now() - slowAt > SLOW || compared !== [...ids].sort().join();
    if (slow || !zone) zone = await readClock(api, (interval) => api.overview(ids.slice(0, 1).concat(ids.length ? [] : NONE), interval, "", refresher.signal));
    const now = zone.now + (slow ? 0 : Date.now() - slowAt);
    const range = rangeOf(view, now);
    const { reports, covers, asOf, granularity } = await withFallback(bestForSparkline(range), (by) => fetchAll(ids, range, by));
    if (covers) on.covers(covers, range, zone);
    on.fresh(asOf);
    if (slow) await compare(comparisonOf(view, range, now), ids);
    on.rows({ entries, reports, before, range, now, clock: () => api.now() });
    on.state("live", {});
  }

  /** The items of all workflows by id, in as many requests as it takes; they are as old as the oldest. */
  async function fetchAll(ids, range, granularity) {
    const found = { reports: new Map(), covers: null, asOf: Infinity };
    for (let first = 0; first === 0 || first < ids.length; first += MOST_WORKFLOWS) {
      const some = ids.length ? ids.slice(first, first + MOST_WORKFLOWS) : [NONE];
      const { answer, covers, asOf } = await api.overview(some, asQuery(range), granularity, refresher.signal);
      for (const item of answer.workflows) found.reports.set(item.id, { ...item, points: item.points?.map(withLocalTimes) });
      found.covers = covers;
      found.asOf = Math.min(found.asOf, asOf);
    }
    return found;
  }

  async function compare(comparison, ids) {
    try {
      const earlier = comparison && (await fetchAll(ids, comparison.part, ""));
      before = on.before(earlier?.covers, comparison) ? earlier.reports : null;
    } catch (error) {
      if (refresher.signal.aborted || error.status !== 400) throw error;
      on.before(null, comparison);
      before = null; // it lies before the oldest day kept
    }
    slowAt = Date.now();
    compared = [...ids].sort().join();
  }

  return { close: () => refresher.close(), retry: refresher.attempt };
}
