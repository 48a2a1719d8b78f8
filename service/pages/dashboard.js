// The conductor: the hash says what to show, the session with which token; everything else follows from these two.

import { Api } from "./dashboard-api.js";
import { askCard } from "./dashboard-ask.js";
import { Controls } from "./dashboard-controls.js";
import { element, patch, write } from "./dashboard-elements.js";
import { openView } from "./dashboard-feed.js";
import { hashOf, readPlace, session, settle } from "./dashboard-place.js";
import { NAMES, alike } from "./dashboard-ranges.js";
import { Report } from "./dashboard-report.js";
import { Status } from "./dashboard-status.js";
import { Workflows } from "./dashboard-workflows.js";

const byId = (id) => document.getElementById(id);
const KINDS = { page_navigation: "Page navigation", interaction: "Interaction" };

let api = null;
let place = readPlace();
let view = null;

const report = new Report(byId);
const status = new Status(byId, () => view?.retry());
const controls = new Controls(byId, (choice) => {
  location.hash = hashOf({ ...place, ...choice });
});
const workflows = new Workflows(byId, { list: listed, problem: listFailed });
const card = askCard(byId, (org) => {
  location.hash = hashOf({ ...place, org, workflow: org === place.org ? place.workflow : "" });
  go();
  byId("report").focus({ preventScroll: true });
});

/** Show what the hash says. */
function go() {
  const last = place;
  place = readPlace();
  settle(place);
  if (!session.token || !place.org) return ask("");
  card.hide();
  byId("desk").hidden = byId("leave").hidden = false;
  if (api?.org !== place.org) {
    closeView();
    api = new Api(session.token, place.org);
    workflows.start(api);
  }
  workflows.mark(place);
  const fault = controls.mark(place);
  if (view && hashOf(last) === hashOf(place)) return;
  closeView();
  if (last.workflow !== place.workflow || last.org !== place.org) {
    report.reset();
    byId("numbers").hidden = true;
    controls.clear();
  }
  title();
  if (fault) return showOnly("");
  if (place.workflow) open();
  else showOnly("waiting");
}

function open() {
  showOnly(report.answer ? "numbers" : "waiting");
  byId("report").setAttribute("aria-busy", "true");
  let first = true;
  status.set("connecting", {});
  view = openView(api, place, {
    answer(answer) {
      if (first) {
        report.reset();
        write(byId("before"), "\u00a0");
      }
      report.show(answer);
      showOnly("numbers");
      byId("report").removeAttribute("aria-busy");
      status.changed();
      if (first) status.announce(`${NAMES[place.range]}. ${report.summary()}.`);
      first = false;
      write(byId("nothing"), `No events in this range. ${lastEvent()}`);
    },
    covers: (covers, range, zone) => controls.covers(covers, range, zone, place.range),
    before(answer, covers, before, range) {
      report.compare(controls.before(covers, before) ? answer : null, alike(range));
    },
    state: (name, more) => status.set(name, more),
    heard: () => status.heard(),
    problem: failed,
  });
}

function closeView() {
  view?.close();
  view = null;
  status.reset();
}

/** Show one of: the numbers, their outline while they are on their way, a problem, a word that there are none. */
function showOnly(id) {
  for (const other of ["numbers", "waiting", "problem", "none"]) byId(other).hidden = other !== id;
  if (id !== "numbers") byId("report").removeAttribute("aria-busy");
}

function ask(reason) {
  closeView();
  workflows.stop();
  api = null;
  report.reset();
  byId("desk").hidden = byId("leave").hidden = true;
  document.title = "Sidedata";
  card.ask(place.org, reason);
}

function failed(problem) {
  closeView();
  if (problem.refused) {
    session.close();
    return ask(`${problem.status === 401 ? "Not a valid token" : "No permission"}: ${problem.message}`);
  }
  report.reset();
  showOnly("problem");
  const gone = problem.status === 404;
  write(byId("problem-title"), gone ? "There is no such workflow" : problem.title || "This page failed");
  write(byId("problem-detail"), gone ? "This organization has none with that id. Choose another one." : (problem.detail ?? problem.message));
  const faults = (problem.errors ?? []).map(({ pointer, detail }) => {
    return element("li", "", element("code", "", pointer ?? ""), " ", detail ?? "");
  });
  byId("problem-errors").replaceChildren(...faults);
}

function listed(entries) {
  controls.named(api.zone);
  if (!place.workflow && entries.length) {
    settle({ ...place, workflow: entries[0].id }); // the newest; no step in the history
    go();
  } else if (!entries.length && !place.workflow) {
    const how = element("a", "", "How to send events");
    how.href = "/docs/#post_events";
    patch(byId("none"), "This organization has no workflows yet. The first opens here by itself once its events arrive. ", how);
    showOnly("none");
  }
  title();
}

/** The view tells of troubles that pass; here only what would leave the page without a word. */
function listFailed(problem) {
  if (problem.refused || (!view && !problem.passing)) failed(problem);
  else if (!view && !place.workflow) status.set("lost", { problem, retryAt: 0 });
}

function lastEvent() {
  const entry = workflows.entry(place.workflow);
  return entry?.last_event_at ? `The last event came ${workflows.ageOf(entry)}.` : "";
}

function title() {
  const entry = workflows.entry(place.workflow);
  const name = entry?.name || (place.workflow ? "Workflow" : "Workflows");
  write(byId("title"), name);
  document.title = `${name} · Sidedata`;
  const age = entry?.last_event_at ? `last event ${workflows.ageOf(entry)}` : "";
  const known = [KINDS[entry?.kind], age].filter(Boolean).map((text) => `${text} · `);
  patch(byId("subtitle"), known.join(""), element("span", "id", place.workflow));
}

byId("skip").addEventListener("click", () => byId("report").focus());
byId("leave").addEventListener("click", () => {
  session.close();
  ask("");
});
byId("problem-retry").addEventListener("click", () => {
  workflows.start(api);
  open();
});
addEventListener("hashchange", go);
setInterval(() => {
  status.tick();
  workflows.tick();
  if (place.workflow && api) title();
}, 1000);
go();
