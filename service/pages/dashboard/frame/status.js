// The state of the connection and the age of the numbers: the sign in the header, and the banner above the numbers.
//
// "Live" only while the numbers are known to be complete as of a few seconds ago: the service tells that time (by Redis's clock) with
// every answer and every few seconds on the stream.

import { write } from "./elements.js";
import { age } from "../text/format.js";

const LABELS = { connecting: "Connecting", live: "Live", paused: "Paused" };
const BEHIND = 3_500; // on arrival; the service reports a lag of two seconds at once
const PATIENCE = 10_000; // times come every four seconds
const SILENCE = 25_000; // of a service that tells no time, between its comments
const GRACE = 3_000; // shorter interruptions get no banner and are not announced

export class Status {
  #name = "idle";
  #retryAt = 0;
  #problem = null;
  #receivedAt = 0;
  #changedAt = 0;
  #brokenAt = 0;
  #asOf = NaN; // by the service's clock
  #behind = false;
  #announced = "";

  /** `now()` is the service's clock in milliseconds. */
  constructor(byId, now, retry) {
    this.byId = byId;
    this.now = now;
    byId("retry").addEventListener("click", retry);
  }

  /** Forget the connection; the next one is for another report. */
  reset() {
    this.#name = "idle";
    this.#receivedAt = this.#changedAt = this.#brokenAt = 0;
    this.#asOf = NaN;
    this.#behind = false;
    this.#announced = "";
    this.tick();
  }

  received() {
    this.#receivedAt = Date.now();
  }

  /** The numbers are complete as of that time (NaN if the service does not tell). */
  fresh(asOf) {
    this.received();
    if (!Number.isFinite(asOf)) return;
    this.#asOf = asOf;
    this.#behind = this.now() - asOf > BEHIND;
    this.tick();
  }

  changed() {
    this.#changedAt = Date.now();
    this.tick();
  }

  set(name, { retryAt = 0, problem = null } = {}) {
    // An attempt belongs to the same interruption.
    if (name === "lost") {
      this.#brokenAt ||= Date.now();
      this.#problem = problem;
    } else if (name !== "connecting") {
      this.#brokenAt = 0;
      this.#problem = null;
    }
    this.#name = name;
    this.#retryAt = retryAt;
    this.tick();
  }

  #state(now) {
    if (this.#brokenAt) return "lost";
    if (this.#name !== "live") return this.#name;
    if (Number.isFinite(this.#asOf)) return this.#behind || this.now() - this.#asOf > PATIENCE ? "behind" : "live";
    return now - this.#receivedAt > SILENCE ? "behind" : "unknown";
  }

  /** Update the ages; to be called every second. */
  tick() {
    const { byId } = this;
    const now = Date.now();
    const state = this.#state(now);
    byId("status").hidden = this.#name === "idle";
    byId("status").dataset.state = state;
    write(byId("status-word"), this.#word(now, state));
    write(byId("status-age"), this.#ages(now, state));
    byId("retry").hidden = state !== "lost";
    const long = state === "lost" && now - this.#brokenAt >= GRACE;
    this.#banner(long);
    this.#announceState(state === "lost" && !long ? this.#announced : state);
  }

  /** Tell screen readers. */
  announce(text) {
    write(this.byId("announce"), text);
  }

  #word(now, state) {
    if (state === "lost") return this.#lost();
    if (state === "behind") return `As of ${this.#age(now)} ago`;
    return state === "unknown" ? "Connected" : (LABELS[state] ?? "");
  }

  #lost() {
    return this.#receivedAt ? "Connection lost" : "Not connected";
  }

  /** The age of the numbers: since the time of the service, else since it sent anything. */
  #age(now) {
    return age(Number.isFinite(this.#asOf) ? this.now() - this.#asOf : now - this.#receivedAt);
  }

  #ages(now, state) {
    if (state === "lost" && this.#receivedAt) return `numbers ${this.#age(now)} old`;
    if (state === "behind") return "newer events are not in the numbers yet";
    if ((state === "live" || state === "unknown") && this.#changedAt) {
      return now - this.#changedAt < 3_000 ? "changed just now" : `changed ${age(now - this.#changedAt)} ago`;
    }
    return "";
  }

  #announceState(state) {
    const last = this.#announced;
    if (state === last || state === "connecting" || state === "idle") return;
    this.#announced = state;
    if (state === "lost") this.announce(`${this.#lost()}. ${this.#problem?.message ?? ""}`);
    else if (state === "behind") this.announce("The numbers are behind: newer events are not in them yet.");
    else if (last === "lost" || last === "behind") this.announce("The numbers are live again.");
  }

  #banner(shown) {
    const { byId } = this;
    byId("banner").hidden = !shown;
    if (!shown) return;
    const seconds = Math.ceil((this.#retryAt - Date.now()) / 1000);
    const next = this.#name === "lost" && seconds > 0 ? `Next attempt in ${seconds} s.` : "Trying again now.";
    write(byId("banner-title"), this.#problem?.title || this.#lost());
    write(byId("banner-text"), `${this.#problem?.message ?? ""} ${next}`);
  }
}
