// Entry point. The URL's hash determines what is shown, and the session holds the token; everything else follows from these two.

import { Api } from "./api.js";
import { signInCard } from "./sign-in.js";
import { Controls } from "./controls.js";
import { element, patch, write } from "./elements.js";
import { openFeed } from "./feed.js";
import { hashOf, readViewState, replaceHash, session } from "./view-state.js";
import { NAMES, comparable } from "./ranges.js";
import { Report } from "./report.js";
import { Status } from "./status.js";
import { Workflows } from "./workflows.js";

const byId = (id) => document.getElementById(id);
const KINDS = { page_navigation: "Page navigation", interaction: "Interaction" };

let api = null;
let view = readViewState();
let feed = null;

const report = new Report(byId);
const status = new Status(byId, () => feed?.retry());
const controls = new Controls(byId, (choice) => {
  location.hash = hashOf({ ...view, ...choice });
});
const workflows = new Workflows(byId, { list: listed, problem: listFailed });
const card = signInCard(byId, (org) => {
  location.hash = hashOf({ ...view, org, workflow: org === view.org ? view.workflow : "" });
  go();
  byId("report").focus({ preventScroll: true });
});

/** Show the view in the hash. */
function go() {
  const last = view;
  view = readViewState();
  replaceHash(view);
  if (!session.token || !view.org) return signIn("");
  card.hide();
  byId("desk").hidden = byId("leave").hidden = false;
  if (api?.org !== view.org) {
    closeFeed();
    api = new Api(session.token, view.org);
    workflows.start(api);
  }
  workflows.mark(view);
  const error = controls.mark(view);
  if (feed && hashOf(last) === hashOf(view)) return;
  closeFeed();
  if (last.workflow !== view.workflow || last.org !== view.org) {
    report.reset();
    byId("numbers").hidden = true;
    controls.clear();
  }
  title();
  if (error) return showOnly("");
  if (view.workflow) open();
  else showOnly("waiting");
}

function open() {
  showOnly(report.answer ? "numbers" : "waiting");
  byId("report").setAttribute("aria-busy", "true");
  let first = true;
  status.set("connecting", {});
  feed = openFeed(api, view, {
    answer(answer) {
      if (first) {
        report.reset();
        write(byId("before"), "\u00a0");
      }
      report.show(answer);
      showOnly("numbers");
      byId("report").removeAttribute("aria-busy");
      status.changed();
      if (first) status.announce(`${NAMES[view.range]}. ${report.summary()}.`);
      first = false;
      write(byId("nothing"), `No events in this range. ${lastEvent()}`);
    },
    covers: (covers, range, zone) => controls.covers(covers, range, zone, view.range),
    before(answer, covers, before, range) {
      report.compare(controls.before(covers, before) ? answer : null, comparable(range));
    },
    state: (name, more) => status.set(name, more),
    received: () => status.received(),
    problem: failed,
  });
}

function closeFeed() {
  feed?.close();
  feed = null;
  status.reset();
}

/** Show one of: the numbers, their outline while they load, a problem, a note that there are no workflows. */
function showOnly(id) {
  for (const other of ["numbers", "waiting", "problem", "none"]) byId(other).hidden = other !== id;
  if (id !== "numbers") byId("report").removeAttribute("aria-busy");
}

function signIn(reason) {
  closeFeed();
  workflows.stop();
  api = null;
  report.reset();
  byId("desk").hidden = byId("leave").hidden = true;
  document.title = "Sidedata";
  card.show(view.org, reason);
}

function failed(problem) {
  closeFeed();
  if (problem.unauthorized) {
    session.close();
    return signIn(`${problem.status === 401 ? "Not a valid token" : "No permission"}: ${problem.message}`);
  }
  report.reset();
  showOnly("problem");
  const gone = problem.status === 404;
  write(byId("problem-title"), gone ? "No such workflow" : problem.title || "This page has an error");
  write(byId("problem-detail"), gone ? "This organization has no workflow with that id. Choose another one." : (problem.detail ?? problem.message));
  const errors = (problem.errors ?? []).map(({ pointer, detail }) => {
    return element("li", "", element("code", "", pointer ?? ""), " ", detail ?? "");
  });
  byId("problem-errors").replaceChildren(...errors);
}

function listed(entries) {
  controls.setZone(api.zone);
  if (!view.workflow && entries.length) {
    replaceHash({ ...view, workflow: entries[0].id }); // the newest; no history entry
    go();
  } else if (!entries.length && !view.workflow) {
    const how = element("a", "", "How to send events");
    how.href = "/docs/#post_events";
    patch(byId("none"), "This organization has no workflows yet. The first one opens here once its events arrive. ", how);
    showOnly("none");
  }
  title();
}

/** The feed reports temporary failures; only those that would leave the page blank are reported here. */
function listFailed(problem) {
  if (problem.unauthorized || (!feed && !problem.temporary)) failed(problem);
  else if (!feed && !view.workflow) status.set("lost", { problem, retryAt: 0 });
}

function lastEvent() {
  const entry = workflows.entry(view.workflow);
  return entry?.last_event_at ? `The last event was ${workflows.ageOf(entry)}.` : "";
}

function title() {
  const entry = workflows.entry(view.workflow);
  const name = entry?.name || (view.workflow ? "Workflow" : "Workflows");
  write(byId("title"), name);
  document.title = `${name} · Sidedata`;
  const age = entry?.last_event_at ? `last event ${workflows.ageOf(entry)}` : "";
  const known = [KINDS[entry?.kind], age].filter(Boolean).map((text) => `${text} · `);
  patch(byId("subtitle"), known.join(""), element("span", "id", view.workflow));
}

byId("skip").addEventListener("click", () => byId("report").focus());
byId("leave").addEventListener("click", () => {
  session.close();
  signIn("");
});
byId("problem-retry").addEventListener("click", () => {
  workflows.start(api);
  open();
});
addEventListener("hashchange", go);
setInterval(() => {
  status.tick();
  workflows.tick();
  if (view.workflow && api) title();
}, 1000);
go();
