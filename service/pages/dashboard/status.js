// The state of the connection and the age of the numbers: the sign in the header, and the banner above the numbers.

import { write } from "./elements.js";
import { age } from "./format.js";

const LABELS = { connecting: "Connecting", live: "Live", silent: "Silent", paused: "Paused" };
const SILENCE = 25_000; // longer than the service's 15 seconds between comments, so something is wrong
const GRACE = 3_000; // shorter interruptions get no banner and are not announced

export class Status {
  #name = "idle";
  #retryAt = 0;
  #problem = null;
  #receivedAt = 0;
  #changedAt = 0;
  #brokenAt = 0;
  #announced = false;

  constructor(byId, retry) {
    this.byId = byId;
    byId("retry").addEventListener("click", retry);
  }

  /** Forget the connection; the next one is for another report. */
  reset() {
    this.#name = "idle";
    this.#receivedAt = this.#changedAt = this.#brokenAt = 0;
    this.#announced = false;
    this.tick();
  }

  /** Data has arrived: the numbers are current as of now. */
  received() {
    this.#receivedAt = Date.now();
  }

  /** The numbers have changed. */
  changed() {
    this.#changedAt = Date.now();
    this.tick();
  }

  set(name, { retryAt = 0, problem = null }) {
    // A reconnection attempt belongs to the same interruption, and the last known reason still applies.
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

  /** Update the ages; to be called every second. */
  tick() {
    const { byId } = this;
    const now = Date.now();
    const broken = this.#brokenAt > 0;
    byId("status").hidden = this.#name === "idle";
    const silent = this.#name === "live" && now - this.#receivedAt > SILENCE;
    const state = broken ? "lost" : silent ? "silent" : this.#name;
    byId("status").dataset.state = state;
    write(byId("status-word"), broken ? this.#lost() : (LABELS[state] ?? ""));
    write(byId("status-age"), this.#ages(now, state));
    byId("retry").hidden = !broken;
    const long = broken && now - this.#brokenAt >= GRACE;
    this.#banner(long);
    if (long && !this.#announced) this.announce(`${this.#lost()}. ${this.#problem?.message ?? ""}`);
    if (this.#name === "live" && this.#announced) this.announce("Connected again. The numbers are live.");
    this.#announced = long || (this.#announced && this.#name !== "live");
  }

  /** Announce a text to screen readers, politely. */
  announce(text) {
    write(this.byId("announce"), text);
  }

  #lost() {
    return this.#receivedAt ? "Connection lost" : "Not connected";
  }

  #ages(now, state) {
    if ((state === "lost" || state === "silent") && this.#receivedAt) return `numbers ${age(now - this.#receivedAt)} old`;
    if (state === "live" && this.#changedAt) {
      return now - this.#changedAt < 3_000 ? "changed just now" : `changed ${age(now - this.#changedAt)} ago`;
    }
    return "";
  }

  #banner(shown) {
    const { byId } = this;
    byId("banner").hidden = !shown;
    if (!shown) return;
    const seconds = Math.ceil((this.#retryAt - Date.now()) / 1000);
    const since = this.#receivedAt ? `These numbers are from ${new Date(this.#receivedAt).toTimeString().slice(0, 8)}, your local time. ` : "";
    const next = this.#name === "lost" && seconds > 0 ? `Next attempt in ${seconds} s.` : "Trying again now.";
    write(byId("banner-title"), this.#problem?.title || this.#lost());
    write(byId("banner-text"), `${this.#problem?.message ?? ""} ${since}${next}`);
  }
}
