// Questions by the client that swagger-typescript-api makes; prints what python_client.py prints.
import { Api, type Problem } from "./api.js";

declare const process: { argv: string[] }; // the types of all of node are not needed
const [base, token, organization, pages, interactions, start, end] = process.argv.slice(2) as string[];
const { api } = new Api({ baseUrl: base, baseApiParams: { headers: { Authorization: `Bearer ${token}` } } });

const query = { start, end };
const views = (await api.postSidedata(organization, pages, { interval: query })).data;
if (!("timeframe_stat" in views)) throw new Error("no report of page navigation");
const answer = (await api.postSidedata(organization, interactions, { interval: query })).data;
if (!("affected_goals" in answer)) throw new Error("no report of interaction");
const timeline = (await api.getTimeline(organization, interactions, { ...query, granularity: "day" })).data;
const overview = (await api.getOverview(organization, query)).data;
const refusal = await api.postSidedata(organization, pages, { interval: { start: end, end: start } }).then(
  () => null,
  (response: { error: Problem }) => response.error,
);
if (refusal === null) throw new Error("no refusal");
const late = { workflow_id: pages, visitor_id: "v-late", session_id: "s-late", timestamp: "2020-01-01T00:00:00Z" };
const sent = (await api.postEvents(organization, [{ type: "page_view", ...late }])).data;

console.log(
  JSON.stringify({
    hours: views.timeframe_stat.hour_in_day,
    sessions: views.unique_sessions_count,
    started: answer.started_workflows_count,
    goals: answer.affected_goals.map((goal) => [goal.name, goal.metrics.events_count]),
    days: timeline.points.map((point) => [point.start, point.unique_visitors_count]),
    overview: overview.workflows.map((item) => [item.id, item.sidedata.unique_visitors_count]),
    refused: [refusal.status, refusal.errors?.map((error) => error.pointer)],
    warnings: sent.warnings?.map((warning) => warning.reason),
  }),
);
