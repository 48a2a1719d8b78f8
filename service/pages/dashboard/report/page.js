// The page of one workflow: its report, its timelines, and what goes with them.

import { openFeed } from "../client/feed.js";
import { download } from "../client/download.js";
import { asQuery } from "../range/ranges.js";
import { element, patch, write } from "../frame/elements.js";
import { KINDS } from "../frame/workflows.js";
import { shortId } from "../text/format.js";
import { showFirstSteps } from "./empty.js";
import { Report } from "./report.js";
import { TimelinePanel } from "./timeline.js";

export class ReportPage {
  #feed = null;
  #view = null;
  #api = null;

  /** `shell` is what all pages share: `{byId, status, controls, workflows, showOnly, failed, choose}`. */
  constructor(shell) {
    this.shell = shell;
    this.report = new Report(shell.byId);
    this.timeline = new TimelinePanel(shell.byId, (by) => shell.choose({ by }));
  }

  open(api, view) {
    const { byId, status, controls, showOnly } = this.shell;
    if (this.#view?.workflow !== view.workflow || this.#view?.org !== view.org) this.#clear();
    this.#api = api;
    this.#view = view;
    showOnly(this.report.answer ? "numbers" : "waiting");
    byId("report").setAttribute("aria-busy", "true");
    let first = true;
    status.set("connecting");
    this.#feed = openFeed(api, view, {
      answer: (answer) => {
        if (first) this.report.reset();
        this.report.show(answer);
        showOnly("numbers");
        byId("report").removeAttribute("aria-busy");
        status.changed();
        if (first) status.announce(`${controls.shown?.name ?? ""}. ${this.report.summary()}.`);
        first = false;
        this.#note();
      },
      covers: (covers, range, zone) => controls.covers(covers, range, zone),
      before: (answer, covers, comparison) => {
        this.report.compare(controls.before(covers, comparison) ? answer : null, comparison, view.compare);
      },
      timeline: (data) => this.timeline.show(data, view.compare),
      state: (name, more) => status.set(name, more),
      received: () => status.received(),
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

  /** Forget the numbers: the next ones are of another report. */
  #clear() {
    this.report.reset();
    this.timeline.hide();
    this.shell.controls.clear();
    this.shell.byId("numbers").hidden = true;
  }

  reset() {
    this.#view = null;
    this.#clear();
  }

  /** Download the timeline that is shown. */
  async csv() {
    const { range, name } = this.shell.controls.shown;
    const text = await this.#api.csv(this.#view.workflow, { ...asQuery(range), granularity: this.timeline.granularity });
    download(`${this.shell.workflows.nameOf(this.#view.workflow)} - ${name} by ${this.timeline.granularity}.csv`, text);
  }

  /** Show the workflow's kind, last event and id. */
  title() {
    const { byId, workflows } = this.shell;
    const entry = workflows.entry(this.#view.workflow);
    const age = entry?.last_event_at ? `last event ${workflows.ageOf(entry)}` : "";
    const known = [KINDS[entry?.kind], age].filter(Boolean).map((text) => `${text} · `);
    const id = element("span", "id", shortId(this.#view.workflow));
    id.title = this.#view.workflow;
    patch(byId("subtitle"), known.join(""), id);
    workflows.offer(this.#view.workflow);
    this.#note();
  }

  #note() {
    const { byId, workflows } = this.shell;
    const entry = workflows.entry(this.#view.workflow);
    if (byId("nothing").hidden || !entry) return;
    if (entry.last_event_at) write(byId("nothing"), `No events in this range. The last event was ${workflows.ageOf(entry)}.`);
    else if (!byId("nothing").querySelector("pre")) showFirstSteps(byId("nothing"), this.#view.org, this.#view.workflow, entry.kind);
  }
}
