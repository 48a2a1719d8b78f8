// The workflows of the organization: their names and last events, and the field by which another one is chosen.

import { element, patch } from "./elements.js";
import { age, shortId } from "../text/format.js";

export const KINDS = { page_navigation: "Page navigation", interaction: "Interaction" };
const REFRESH = 10_000;

export class Workflows {
  #entries = new Map();
  #api = null;
  #timer = 0;
  #whole = new AbortController();

  /** Calls `chosen(id)` for another workflow, `listed()` after each listing, `problem(problem)` after a failure. */
  constructor(byId, on) {
    this.select = byId("workflow");
    this.on = on;
    this.select.addEventListener("change", () => on.chosen(this.select.value));
  }

  /** List the workflows of an organization, again and again until `stop`. */
  start(api) {
    this.stop();
    this.#api = api;
    this.#whole = new AbortController();
    this.#timer = setInterval(() => document.hidden || this.#load(this.#whole.signal), REFRESH);
    this.#load(this.#whole.signal);
  }

  stop() {
    this.#whole.abort();
    clearInterval(this.#timer);
  }

  /** The entry of a workflow in the list, if it has one. */
  entry(id) {
    return this.#entries.get(id);
  }

  nameOf(id) {
    return this.entry(id)?.name || `Workflow ${shortId(id)}`;
  }

  ageOf(entry) {
    return entry.last_event_at ? `${age(this.#api.now() - Date.parse(entry.last_event_at))} ago` : "no events yet";
  }

  async #load(signal) {
    try {
      const entries = await this.#api.workflows(signal);
      this.#entries = new Map(entries.map((entry) => [entry.id, entry]));
      this.on.listed();
    } catch (problem) {
      if (!signal.aborted) this.on.problem(problem);
    }
  }

  /** Offer the workflows by kind and name, with one of them chosen. */
  offer(current) {
    const groups = Object.entries(KINDS).map(([kind, title]) => {
      const group = element("optgroup");
      group.label = title;
      const own = [...this.#entries.values()].filter((entry) => entry.kind === kind);
      own.sort((a, b) => (a.name ?? a.id).localeCompare(b.name ?? b.id, "en", { numeric: true }));
      for (const { id, name } of own) {
        const option = element("option", "", name || shortId(id));
        option.value = id;
        group.append(option);
      }
      return group;
    });
    patch(this.select, ...groups.filter((group) => group.children.length));
    this.select.value = current;
    this.select.hidden = this.#entries.size < 2;
  }
}
