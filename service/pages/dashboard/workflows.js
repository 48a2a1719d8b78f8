// The list of workflows beside the report, as links that can be opened, shared and navigated back from.

import { element, write } from "./elements.js";
import { hashOf } from "./view-state.js";
import { age } from "./format.js";

const KINDS = { page_navigation: "Pages", interaction: "Interaction" };
const REFRESH = 10_000;
const MANY = 8; // from this number of workflows on there is a search field

export class Workflows {
  #items = new Map(); // id -> {entry, link, name, kind, age}
  #stop = null;

  /** Calls `on.list(workflows)` after each listing, and `on.problem(problem)` after a failure. */
  constructor(byId, on) {
    this.byId = byId;
    this.on = on;
    this.view = null;
    byId("side-find").addEventListener("input", () => this.#filter());
    byId("side-switch").addEventListener("click", () => this.#open(!byId("side-body").classList.contains("open")));
    byId("side-list").addEventListener("click", () => this.#open(false));
  }

  /** Start to list the workflows of an organization, instead of an earlier one. */
  start(api) {
    this.stop();
    this.api = api;
    const whole = new AbortController();
    const load = () => this.#load(whole.signal);
    const timer = setInterval(() => document.hidden || load(), REFRESH);
    this.#stop = () => {
      whole.abort();
      clearInterval(timer);
    };
    return load();
  }

  stop() {
    this.#stop?.();
    this.#stop = null;
    this.#items.clear();
    this.byId("side-list").replaceChildren();
  }

  /** The entry of a workflow in the list, if it has one. */
  entry(id) {
    return this.#items.get(id)?.entry;
  }

  /** Point the links at the current range, and mark the current workflow. */
  mark(view) {
    this.view = view;
    for (const [id, { link, entry }] of this.#items) {
      link.href = hashOf({ ...view, workflow: id });
      if (id === view.workflow) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      if (id === view.workflow) write(this.byId("side-current"), entry.name || id);
    }
    if (!this.#items.has(view.workflow)) write(this.byId("side-current"), view.workflow || "Choose");
  }

  /** Update the ages. */
  tick() {
    for (const { entry, ageNode } of this.#items.values()) write(ageNode, this.ageOf(entry));
  }

  ageOf(entry) {
    if (!entry.last_event_at) return "no events yet";
    return `${age(this.api.now() - Date.parse(entry.last_event_at))} ago`;
  }

  async #load(signal) {
    let entries;
    try {
      entries = await this.api.workflows(signal);
    } catch (problem) {
      if (!signal.aborted) this.on.problem(problem);
      return;
    }
    if (signal.aborted) return;
    this.#show(entries);
    this.on.list(entries);
  }

  #show(entries) {
    const { byId } = this;
    const old = this.#items;
    this.#items = new Map(entries.map((entry) => [entry.id, old.get(entry.id) ?? item()]));
    for (const entry of entries) fill(this.#items.get(entry.id), entry);
    // A moved node loses the focus, so nodes are only moved if the order has changed.
    const nodes = [...this.#items.values()].map(({ node }) => node);
    const list = byId("side-list");
    if (nodes.length !== list.children.length || nodes.some((node, at) => node !== list.children[at])) {
      const focused = document.activeElement;
      list.replaceChildren(...nodes);
      if (list.contains(focused)) focused.focus();
    }
    write(byId("side-count"), entries.length ? String(entries.length) : "");
    byId("side-filter").hidden = entries.length < MANY;
    if (this.view) this.mark(this.view);
    this.tick();
    this.#filter();
  }

  #filter() {
    const { byId } = this;
    const wanted = byId("side-filter").hidden ? "" : byId("side-find").value.trim().toLowerCase();
    let matches = 0;
    for (const { node, entry } of this.#items.values()) {
      node.hidden = !`${entry.name ?? ""} ${entry.id}`.toLowerCase().includes(wanted);
      matches += node.hidden ? 0 : 1;
    }
    const note = this.#items.size
      ? "No match."
      : "No workflows yet. A workflow appears here with its first event, or once it is registered.";
    write(byId("side-note"), note);
    byId("side-note").hidden = matches > 0;
  }

  #open(open) {
    this.byId("side-body").classList.toggle("open", open);
    this.byId("side-switch").setAttribute("aria-expanded", String(open));
  }
}

function item() {
  const name = element("span", "side-name");
  const kind = element("span", "kind");
  const ageNode = element("span", "quiet");
  const link = element("a", "", name, element("span", "side-line", kind, " ", ageNode));
  return { node: element("li", "", link), link, name, kind, ageNode };
}

function fill(row, entry) {
  row.entry = entry;
  write(row.name, entry.name || entry.id);
  row.name.classList.toggle("mono", !entry.name);
  row.link.title = entry.id;
  write(row.kind, KINDS[entry.kind] ?? entry.kind ?? "");
}
