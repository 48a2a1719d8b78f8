// Questions by openapi-fetch with the types that openapi-typescript makes; prints what python_client.py prints.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { argv: string[] }; // the types of all of node are not needed
const [base, token, organization_id, pages, interactions, start, end] = process.argv.slice(2) as string[];
const client = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${token}` } });
const REPORT = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/{workflow_id}/sidedata/";

const of = (workflow_id: string) => ({ path: { organization_id, workflow_id } });
const body = { interval: { start, end } };
const views = await client.POST(REPORT, { params: of(pages), body });
if (views.data === undefined || !("timeframe_stat" in views.data)) throw new Error("no report of page navigation");
const answer = await client.POST(REPORT, { params: of(interactions), body });
if (answer.data === undefined || !("affected_goals" in answer.data)) throw new Error("no report of interaction");
const timeline = await client.GET(`${REPORT}timeline/`, {
  params: { ...of(interactions), query: { start, end, granularity: "day" } },
});
if (timeline.data === undefined || typeof timeline.data === "string") throw new Error("no timeline");
const overview = await client.GET("/api/reporting/workflow/v1/orgs/{organization_id}/sidedata/", {
  params: { path: { organization_id }, query: { start, end } },
});
if (overview.data === undefined || typeof overview.data === "string") throw new Error("no overview");
const refusal = await client.POST(REPORT, { params: of(pages), body: { interval: { start: end, end: start } } });
if (refusal.error === undefined) throw new Error("no refusal");
const sent = await client.POST("/api/ingest/v1/orgs/{organization_id}/events", {
  params: { path: { organization_id } },
  body: [
    { type: "page_view", workflow_id: pages, visitor_id: "v-late", session_id: "s-late", timestamp: "2020-01-01T00:00:00Z" },
  ],
});
if (sent.data === undefined) throw new Error("not accepted");

console.log(
  JSON.stringify({
    hours: views.data.timeframe_stat.hour_in_day,
    sessions: views.data.unique_sessions_count,
    started: answer.data.started_workflows_count,
    goals: answer.data.affected_goals.map((goal) => [goal.name, goal.metrics.events_count]),
    days: timeline.data.points.map((point) => [point.start, point.unique_visitors_count]),
    overview: overview.data.workflows.map((item) => [item.id, item.sidedata.unique_visitors_count]),
    refused: [refusal.error.status, refusal.error.errors?.map((error) => error.pointer)],
    warnings: sent.data.warnings?.map((warning) => warning.reason),
  }),
);
