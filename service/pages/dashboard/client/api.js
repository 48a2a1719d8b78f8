// Client of the service's API for one organization.

const REPORTING = "/api/reporting/workflow/v1/orgs/";
const ADMIN = "/api/admin/v1/orgs/";
const MOST_ORGANIZATIONS = 5_000; // more than a person reads through; others open by a link
export const MOST_WORKFLOWS = 100; // of one overview

/**
 * Parse an answer, with sums of money as the text that was sent, which a double would round.
 * In JSON `"value":` can only be a key: within a string its quotes are escaped.
 */
export function parseAnswer(text) {
  return JSON.parse(text.replace(/"value"\s*:\s*(-?\d[\d.eE+-]*)/g, '"value":"$1"'));
}

/** The ends of `Sidedata-Effective-Interval` as `{local, offset}` each, or null. */
export function parseInterval(header) {
  const ends = (header ?? "").split("/").map(parseInstant);
  return ends.length === 2 && ends[0] && ends[1] ? { start: ends[0], end: ends[1] } : null;
}

/** "2026-11-01T00:00:00+02:00" as `{text, local, offset}`, or null. */
export function parseInstant(text) {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d(?::\d\d)?)$/.exec(text.trim());
  return match && { text: text.trim(), local: match[1], offset: match[2] === "Z" ? "+00:00" : match[2] };
}

/** The token's own record, and the organizations that it may see, the first some thousand. */
export async function readAccess(connection) {
  const token = JSON.parse((await connection.read("/api/access/v1/token")).text);
  const organizations = [];
  for (let path = "/api/access/v1/orgs/?limit=1000"; path && organizations.length < MOST_ORGANIZATIONS; ) {
    const { text, headers } = await connection.read(path);
    organizations.push(...JSON.parse(text));
    path = /^<([^>]+)>; rel="next"$/.exec(headers.get("Link") ?? "")?.[1];
  }
  return { token, organizations };
}

export class Api {
  constructor(connection, org) {
    this.connection = connection;
    this.org = org;
    this.zone = ""; // name of the organization's reporting time zone, known once the workflows are listed
  }

  now() {
    return this.connection.now();
  }

  async workflows(signal) {
    const { text, headers } = await this.connection.read(this.#reporting("workflows/"), signal);
    this.zone = headers.get("Sidedata-Time-Zone") ?? "";
    return JSON.parse(text);
  }

  report(workflow, interval, signal) {
    return this.#answer(`workflows/${workflow}/sidedata`, interval, signal);
  }

  timeline(workflow, interval, granularity, signal) {
    return this.#answer(`workflows/${workflow}/sidedata/timeline/`, { ...interval, granularity }, signal);
  }

  /** The reports of up to 100 workflows, with points if `granularity` is one. */
  overview(workflows, interval, granularity, signal) {
    const query = { ...interval, workflows: workflows.join(), ...(granularity && { granularity }) };
    return this.#answer("sidedata/", query, signal);
  }

  /** A timeline, or an overview of up to 100 workflows, as text in CSV. */
  async csv(workflow, query) {
    const path = this.#reporting(`${workflow ? `workflows/${workflow}/sidedata/timeline/` : "sidedata/"}?${new URLSearchParams(query)}`);
    return (await this.connection.read(path, null, { accept: "text/csv" })).text;
  }

  /** The open response of the live stream of an interval. */
  live(workflow, interval, signal) {
    const path = this.#reporting(`workflows/${workflow}/sidedata/live?${new URLSearchParams(interval)}`);
    return this.connection.open(path, signal, { accept: "text/event-stream" });
  }

  /** Name a workflow, or the organization if there is none; "" takes the name away. Needs the scope `admin`. */
  rename(workflow, name) {
    const path = `${ADMIN}${this.org}/${workflow ? `workflows/${workflow}` : ""}`;
    return this.connection.read(path, null, { body: { name: name || null } });
  }

  #reporting(path) {
    return `${REPORTING}${encodeURIComponent(this.org)}/${path}`;
  }

  /** An answer, the interval that it covers, and the time as of which it is complete (NaN where the service tells none). */
  async #answer(path, query, signal) {
    const { text, headers } = await this.connection.read(this.#reporting(`${path}?${new URLSearchParams(query)}`), signal);
    return {
      answer: parseAnswer(text),
      covers: parseInterval(headers.get("Sidedata-Effective-Interval")),
      asOf: Date.parse(headers.get("Sidedata-As-Of") ?? ""),
    };
  }
}
