// The timelines of one open report: its range's, and that of the period compared with.

import { withLocalTimes } from "./local-time.js";
import { asQuery, difference } from "../range/ranges.js";
import { bestFor, withFallback } from "../range/granularity.js";

const SPACING = 3_000; // between reloads, while the numbers change every second

export class TimelineFeed {
  #latest = null; // what `load` was given last
  #before = null;
  #timer = 0;
  #loadedAt = 0;

  /** Calls `show({points, before, granularity, range, now})`; `before` has the points compared with, or is null. */
  constructor(api, view, signal, show) {
    Object.assign(this, { api, view, signal, show });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Load both timelines. */
  async load(range, zone, comparison) {
    const { granularity, points } = await this.#points(range, bestFor(range, this.view.by));
    this.#before = comparison && (await this.#earlier(comparison.whole, granularity));
    this.#latest = { range, granularity, ahead: zone.now - this.api.now() };
    this.#show(points);
  }

  /** Load the range's own again soon: its numbers have changed. */
  changed() {
    if (!this.#latest || this.#timer) return;
    const wait = Math.max(0, this.#loadedAt + SPACING - Date.now());
    this.#timer = setTimeout(async () => {
      this.#timer = 0;
      try {
        const { granularity, points } = await this.#points(this.#latest.range, this.#latest.granularity);
        if (granularity === this.#latest.granularity) this.#show(points);
      } catch (error) {
        // The stream reports a lost connection, and the next refresh anything else.
        if (!this.signal.aborted && error.status === undefined) throw error;
      }
    }, wait);
  }

  #show(points) {
    const { range, granularity, ahead } = this.#latest;
    this.show({ points, before: this.#before, granularity, range, now: this.api.now() + ahead });
  }

  async #points(range, granularity) {
    const found = await withFallback(granularity, (by) => this.api.timeline(this.view.workflow, asQuery(range), by, this.signal));
    this.#loadedAt = Date.now();
    return { granularity: found.granularity, points: found.answer.points.map(withLocalTimes) };
  }

  async #earlier(range, granularity) {
    try {
      const { answer, covers } = await this.api.timeline(this.view.workflow, asQuery(range), granularity, this.signal);
      // Points that begin later would stand beside the wrong ones.
      return difference(range, covers) === "clipped" ? null : answer.points.map(withLocalTimes);
    } catch (error) {
      if (this.signal.aborted || error.status !== 400) throw error;
      return null; // it lies before the oldest day kept, or points as fine as these are no longer kept
    }
  }
}
