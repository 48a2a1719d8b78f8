// Repeats a refresh while the page is visible, and again soon after temporary failures.

const HIDDEN = 30_000;

export class Refresher {
  #whole = new AbortController();
  #busy = false;
  #failures = 0;
  #retryTimer = 0;
  #hideTimer = 0;
  #timer;

  /**
   * Run `refresh()` now, every `interval` milliseconds, and when the page is visible again. Calls `on.problem(problem)` once for a permanent
   * error, `on.lost({retryAt, problem})` for a temporary one, and `on.hidden()` once the page was hidden for a while.
   */
  constructor(refresh, interval, on) {
    this.refresh = refresh;
    this.on = on;
    this.#timer = setInterval(() => document.hidden || this.attempt(), interval);
    document.addEventListener("visibilitychange", this.#visibility);
    addEventListener("online", this.attempt);
    queueMicrotask(this.attempt);
  }

  /** Aborts when it is closed. */
  get signal() {
    return this.#whole.signal;
  }

  attempt = async () => {
    if (this.#busy || this.signal.aborted) return;
    this.#busy = true;
    clearTimeout(this.#retryTimer);
    try {
      await this.refresh();
      this.#failures = 0;
    } catch (problem) {
      this.failed(problem);
    } finally {
      this.#busy = false;
    }
  };

  close() {
    this.#whole.abort();
    clearInterval(this.#timer);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#hideTimer);
    document.removeEventListener("visibilitychange", this.#visibility);
    removeEventListener("online", this.attempt);
  }

  /** Try again later after a temporary problem, and end with any other. */
  failed(problem) {
    if (this.signal.aborted) return;
    if (!problem.temporary) {
      this.close();
      return this.on.problem(problem);
    }
    // Jitter, so that many pages don't come back to a restarted service at one instant.
    const pause = 1000 * 2 ** Math.min(this.#failures++, 5) * (0.5 + Math.random() / 2);
    const delay = Math.max(pause, (problem.retryAfter ?? 0) * 1000);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(this.attempt, delay);
    this.on.lost({ retryAt: Date.now() + delay, problem });
  }

  // Browsers allow six connections to a host, so a hidden tab closes its stream after a while.
  #visibility = () => {
    clearTimeout(this.#hideTimer);
    if (document.hidden) this.#hideTimer = setTimeout(() => this.on.hidden(), HIDDEN);
    else this.attempt();
  };
}
