// Entry point. The URL's hash determines what is shown, and the session holds the token; everything else follows from these two.

import { Api, readAccess } from "./client/api.js";
import { Connection } from "./client/http.js";
import { Session } from "./client/session.js";
import { element, write } from "./frame/elements.js";
import { nameDialog } from "./frame/names.js";
import { signInCard } from "./frame/sign-in.js";
import { Status } from "./frame/status.js";
import { hashOf, readViewState, replaceHash } from "./frame/view-state.js";
import { Workflows } from "./frame/workflows.js";
import { Controls } from "./range/controls.js";
import { shortId } from "./text/format.js";

const HANDOVER = 150; // milliseconds that another tab has to hand its token over, before the card shows

const byId = (id) => document.getElementById(id);

let connection = null;
let access = null; // the token's scopes and organizations
let api = null;
let view = readViewState();
let page = null; // the open one

const session = new Session({ received: connect, ended: () => signIn("") });
const status = new Status(byId, () => api?.now() ?? Date.now(), () => page?.retry());
const choose = (choice) => {
  location.hash = hashOf({ ...view, ...choice });
};
const controls = new Controls(byId, choose);
const workflows = new Workflows(byId, {
  chosen: (workflow) => choose({ workflow }),
  listed() {
    controls.setZone(api.zone);
    title();
  },
  // The open page reports its failures itself.
  problem: (problem) => (problem.unauthorized || (!page && !problem.temporary)) && failed(problem),
});
const shell = { byId, status, controls, workflows, showOnly, failed, choose };
// Loaded when they are opened first.
const pages = {
  report: async () => new (await import("./report/page.js")).ReportPage(shell),
  overview: async () => new (await import("./overview/page.js")).OverviewPage(shell),
};
const loaded = {};
const card = signInCard(byId, {
  opened(token, shared) {
    session.open(token, shared);
    connect();
  },
  chosen(org) {
    card.hide();
    location.hash = hashOf({ ...view, org, workflow: org === view.org ? view.workflow : "" });
    go();
    byId("report").focus({ preventScroll: true });
  },
});
const openNames = nameDialog(
  byId,
  (workflow, name) => api.rename(workflow, name),
  async () => {
    workflows.start(api);
    page?.retry();
    access = await readAccess(connection).catch(() => access);
    title();
  },
);

/** Find out about the token, then show the view. */
async function connect() {
  card.hide();
  connection = new Connection(session.token);
  try {
    access = await readAccess(connection);
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    if (problem.unauthorized) return refused(problem);
    if (!view.org) return signIn(`${problem.title} ${problem.message}`);
    access = null; // the feed reports the failure, and goes on trying
  }
  if (access && !access.token.scopes.includes("reports")) return refused({ message: "The token lacks the scope reports." });
  const own = access?.token.organization_id;
  if (own && view.org && own !== view.org) {
    history.replaceState(null, "", "#"); // the next attempt opens the token's own
    view = readViewState();
    return refused({ message: "This link is of another organization than the token." });
  }
  go();
}

/** Show the view in the hash. */
function go() {
  const last = view;
  view = readViewState();
  const own = access?.token.organization_id ?? (access?.organizations.length === 1 ? access.organizations[0].id : "");
  view.org ||= own;
  replaceHash(view);
  if (!session.token) return signIn("");
  if (!connection) return;
  if (!view.org) return card.choose(access?.organizations ?? []);
  card.hide();
  byId("desk").hidden = byId("account").hidden = false;
  if (api?.org !== view.org || api.connection !== connection) {
    closePage();
    api = new Api(connection, view.org);
    workflows.start(api);
  }
  const error = controls.mark(view);
  if (page && hashOf(last) === hashOf(view)) return;
  closePage();
  byId("all").hidden = byId("workflow").hidden = !view.workflow;
  byId("all").href = hashOf({ ...view, workflow: "", by: "" });
  if (error) showOnly("");
  else openPage(view.workflow ? "report" : "overview");
  title();
}

function openPage(kind) {
  page = loaded[kind] ?? null;
  if (page) return page.open(api, view);
  showOnly("waiting");
  pages[kind]().then((made) => {
    loaded[kind] ??= made;
    go();
  }, () => failed({ title: "The service can’t be reached", message: "A part of this page could not be loaded." }));
}

function closePage() {
  page?.close();
  page = null;
  status.reset();
}

/** Show one of: the numbers, the overview, their outline while they load, a problem, a note that there are no workflows. */
function showOnly(id) {
  for (const other of ["numbers", "overview", "waiting", "problem", "none"]) byId(other).hidden = other !== id;
  if (id !== "numbers" && id !== "overview") byId("report").removeAttribute("aria-busy");
  byId("csv").hidden = id !== "numbers" && id !== "overview";
}

function signIn(reason) {
  closePage();
  workflows.stop();
  connection = access = api = null;
  for (const each of Object.values(loaded)) each.reset();
  byId("desk").hidden = byId("account").hidden = true;
  document.title = "Sidedata";
  card.ask(reason);
}

function refused({ status: code, message }) {
  session.close();
  signIn(`${code === 401 ? "Not a valid token" : "No permission"}: ${message}`);
}

function failed(problem) {
  closePage();
  if (problem.unauthorized) return refused(problem);
  loaded.report?.reset();
  showOnly("problem");
  const gone = problem.status === 404;
  write(byId("problem-title"), gone ? "No such workflow" : problem.title || "This page has an error");
  write(byId("problem-detail"), gone ? "This organization has no workflow with that id. Choose another one." : (problem.detail ?? problem.message));
  const errors = (problem.errors ?? []).map(({ pointer, detail }) => {
    return element("li", "", element("code", "", pointer ?? ""), " ", detail ?? "");
  });
  byId("problem-errors").replaceChildren(...errors);
}

function title() {
  if (!api) return;
  const organization = access?.organizations.find(({ id }) => id === view.org);
  write(byId("org"), organization?.name || shortId(view.org));
  byId("org").title = view.org;
  byId("org").disabled = (access?.organizations.length ?? 0) < 2;
  write(byId("rename"), view.workflow ? "Rename" : "Rename organization");
  byId("rename").hidden = !access?.token.scopes.includes("admin");
  const name = view.workflow ? workflows.nameOf(view.workflow) : "Workflows";
  write(byId("title"), name);
  document.title = `${name} · Sidedata`;
  page?.title();
}

byId("skip").addEventListener("click", () => byId("report").focus());
byId("leave").addEventListener("click", () => {
  session.close();
  signIn("");
});
byId("org").addEventListener("click", () => {
  closePage();
  byId("desk").hidden = true;
  card.choose(access.organizations);
});
byId("rename").addEventListener("click", () => {
  const organization = access.organizations.find(({ id }) => id === view.org);
  openNames(view.workflow, (view.workflow ? workflows.entry(view.workflow) : organization)?.name ?? "");
});
byId("csv").addEventListener("click", () => page?.csv().catch((problem) => status.announce(problem.message)));
byId("problem-retry").addEventListener("click", () => {
  workflows.start(api);
  go();
});
addEventListener("hashchange", go);
setInterval(() => {
  status.tick();
  if (page) title();
}, 1000);

replaceHash(view);
if (session.token) connect();
else {
  session.ask();
  setTimeout(() => session.token || signIn(""), HANDOVER);
}
