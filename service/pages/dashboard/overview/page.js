// The page of all workflows of an organization.

import { MOST_WORKFLOWS } from "../client/api.js";
import { download } from "../client/download.js";
import { showFirstSteps } from "../report/empty.js";
import { asQuery } from "../range/ranges.js";
import { write } from "../frame/elements.js";
import { openOverview } from "./feed.js";
import { Overview } from "./overview.js";

export class OverviewPage {
  #feed = null;
  #api = null;

  /** `shell` is what all pages share: `{byId, status, controls, showOnly, failed}`. */
  constructor(shell) {
    this.shell = shell;
    this.overview = new Overview(shell.byId);
  }

  open(api, view) {
    const { byId, status, controls, showOnly } = this.shell;
    if (this.#api !== api) this.reset();
    this.#api = api;
    showOnly("waiting");
    byId("report").setAttribute("aria-busy", "true");
    status.set("connecting");
    this.#feed = openOverview(api, view, {
      rows: (data) => {
        byId("report").removeAttribute("aria-busy");
        if (!data.entries.length) return this.#nothing(view);
        this.overview.show(data, view);
        showOnly("overview");
      },
      covers: (covers, range, zone) => controls.covers(covers, range, zone),
      before: (covers, comparison) => controls.before(covers, comparison),
      state: (name, more) => status.set(name, more),
      fresh: (asOf) => status.fresh(asOf),
      problem: (problem) => this.shell.failed(problem),
    });
  }

  close() {
    this.#feed?.close();
    this.#feed = null;
  }

  retry() {
    this.#feed?.retry();
  }

  reset() {
    this.overview.clear();
    this.shell.controls.clear();
  }

  /** Download the numbers of the workflows that are shown, in their order. */
  async csv() {
    const { range, name } = this.shell.controls.shown;
    const workflows = this.overview.shown.slice(0, MOST_WORKFLOWS).join();
    download(`Workflows - ${name}.csv`, await this.#api.csv("", { ...asQuery(range), workflows }));
  }

  title() {
    write(this.shell.byId("subtitle"), "All of this organization, by kind");
  }

  #nothing(view) {
    const host = this.shell.byId("none");
    // The id of a workflow is the producer's choice; this one is new at each visit.
    if (!host.querySelector("pre")) showFirstSteps(host, view.org, globalThis.crypto.randomUUID?.() ?? view.org, "page_navigation");
    this.shell.showOnly("none");
  }
}
