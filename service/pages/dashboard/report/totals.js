// The totals of a report. Pure.

import { percent } from "../text/format.js";

const events = (goals) => goals.reduce((sum, goal) => sum + goal.metrics.events_count, 0);
const started = (answer) => answer.started_workflows_count;
const triggered = (answer) => events(answer.triggered_goals);
const affected = (answer) => events(answer.affected_goals);
const perStart = (of) => (answer) => (started(answer) ? `${percent(of(answer), started(answer))} of starts` : "");

const VISITORS = { key: "visitors", title: "Unique visitors", short: "Visitors", of: (answer) => answer.unique_visitors_count, estimate: true };
const SESSIONS = { key: "sessions", title: "Unique sessions", short: "Sessions", of: (answer) => answer.unique_sessions_count, estimate: true };
const STARTED = { key: "started", title: "Workflows started", short: "Started", of: started };
const TRIGGERED = { key: "triggered", title: "Goals triggered", short: "Triggered", of: triggered, note: perStart(triggered) };
const AFFECTED = { key: "affected", title: "Goals affected", short: "Affected", of: affected, note: perStart(affected) };

/** The totals by kind of workflow: `of(answer)` is the number, `note(answer)` a line below it. */
export const TOTALS = { page_navigation: [VISITORS, SESSIONS], interaction: [VISITORS, STARTED, TRIGGERED, AFFECTED] };

/** The totals of an answer, whose fields tell the kind of workflow. */
export const totalsOf = (answer) => TOTALS["started_workflows_count" in answer ? "interaction" : "page_navigation"];

/** Goals triggered per start as a share of it, or -1 without starts. */
export const conversionOf = (answer) => (started(answer) ? triggered(answer) / started(answer) : -1);
