// Whether the numbers are alive, and how old they are: the sign in the header, the banner above the numbers.

import { write } from "./dashboard-elements.js";
import { age } from "./dashboard-words.js";

const WORDS = { connecting: "Connecting", live: "Live", silent: "Silent", paused: "Paused" };
const SILENCE = 25_000; // the service comments every 15 seconds, so something is wrong, though nothing has ended yet
const PATIENCE = 3_000; // shorter breaks get no banner and are not announced

export class Status {
  #name = "idle";
  #retryAt = 0;
  #problem = null;
  #heardAt = 0;
  #changedAt = 0;
  #brokenAt = 0;
  #told = false;

  constructor(byId, retry) {
    this.byId = byId;
    byId("retry").addEventListener("click", retry);
  }

  /** Nothing is connected, or another view is about to be. */
  reset() {
    this.#name = "idle";
    this.#heardAt = this.#changedAt = this.#brokenAt = 0;
    this.#told = false;
    this.tick();
  }

  /** Whatever came: the numbers shown are right as of now. */
  heard() {
    this.#heardAt = Date.now();
  }

  /** The numbers came, or other ones. */
  changed() {
    this.#changedAt = Date.now();
    this.tick();
  }

  set(name, { retryAt = 0, problem = null }) {
    // Trying again is still the same break, and the last reason known is still the reason.
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

  /** Ages as of now; to be called every second. */
  tick() {
    const { byId } = this;
    const now = Date.now();
    const broken = this.#brokenAt > 0;
    byId("status").hidden = this.#name === "idle";
    const silent = this.#name === "live" && now - this.#heardAt > SILENCE;
    const state = broken ? "lost" : silent ? "silent" : this.#name;
    byId("status").dataset.state = state;
    write(byId("status-word"), broken ? this.#lost() : (WORDS[state] ?? ""));
    write(byId("status-age"), this.#ages(now, state));
    byId("retry").hidden = !broken;
    const long = broken && now - this.#brokenAt >= PATIENCE;
    this.#banner(long);
    if (long && !this.#told) this.announce(`${this.#lost()}. ${this.#problem?.message ?? ""}`);
    if (this.#name === "live" && this.#told) this.announce("Connected again. The numbers are live.");
    this.#told = long || (this.#told && this.#name !== "live");
  }

  /** Tell those who listen, once what they hear now is over. */
  announce(text) {
    write(this.byId("announce"), text);
  }

  #lost() {
    return this.#heardAt ? "Connection lost" : "Not connected";
  }

  #ages(now, state) {
    if ((state === "lost" || state === "silent") && this.#heardAt) return `numbers ${age(now - this.#heardAt)} old`;
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
    const since = this.#heardAt ? `These numbers are from ${new Date(this.#heardAt).toTimeString().slice(0, 8)}, your time. ` : "";
    const next = this.#name === "lost" && seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again now.";
    write(byId("banner-title"), this.#problem?.title || this.#lost());
    write(byId("banner-text"), `${this.#problem?.message ?? ""} ${since}${next}`);
  }
}
