// Client of the service's API for one organization. The token is only ever sent in a header.

const ROOT = "/api/reporting/workflow/v1/orgs/";
const TIMEOUT = 15_000; // until the head of a response; the service itself gives up on Redis much sooner
const UNREACHABLE = { title: "The service can’t be reached", detail: "It does not respond, or the network is down." };

/** A failed request; `status` is 0 if there was no response. */
export class Problem extends Error {
  constructor({ status = 0, title = "", detail = "", errors = [], retryAfter = 0 }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, errors, retryAfter });
  }

  /** True if another token or organization is needed. */
  get unauthorized() {
    return this.status === 401 || this.status === 403;
  }

  /** True if the same request may succeed later. */
  get temporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Parse an answer, with sums of money as the text that was sent: a double would round 12345678901234.5678.
 * In JSON `"value":` can only be a key (within a string its quotes are escaped), so the expression can't match in a name.
 */
export function parseAnswer(text) {
  return JSON.parse(text.replace(/"value"\s*:\s*(-?\d[\d.eE+-]*)/g, '"value":"$1"'));
}

/** The ends of `Sidedata-Effective-Interval` as `{local, offset}` each, or null. */
export function parseInterval(header) {
  const ends = (header ?? "").split("/").map((text) => {
    const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d(?::\d\d)?)$/.exec(text.trim());
    return match && { text: text.trim(), local: match[1], offset: match[2] === "Z" ? "+00:00" : match[2] };
  });
  return ends.length === 2 && ends[0] && ends[1] ? { start: ends[0], end: ends[1] } : null;
}

export class Api {
  #token;

  constructor(token, org) {
    this.#token = token;
    this.org = org;
    this.zone = ""; // name of the organization's reporting time zone, known once the workflows are listed
    this.ahead = 0; // milliseconds by which the service's clock is ahead of this one
  }

  /** Milliseconds since the epoch by the service's clock, estimated from its responses. */
  now() {
    return Date.now() + this.ahead;
  }

  /** The organization's workflows, newest first. */
  async workflows(signal) {
    const { text, headers } = await this.#read("", signal);
    this.zone = headers.get("Sidedata-Time-Zone") ?? "";
    return JSON.parse(text);
  }

  /** The report of an interval (`{start, end}`), and the interval that it covers. */
  async report(workflow, interval, signal) {
    const { text, headers } = await this.#read(`${workflow}/sidedata?${new URLSearchParams(interval)}`, signal);
    return { answer: parseAnswer(text), covers: parseInterval(headers.get("Sidedata-Effective-Interval")) };
  }

  /** The open response of the live stream of an interval. */
  live(workflow, interval, signal) {
    return this.#open(`${workflow}/sidedata/live?${new URLSearchParams(interval)}`, signal, "text/event-stream");
  }

  async #read(path, signal) {
    const response = await this.#open(path, signal, "application/json");
    try {
      return { text: await response.text(), headers: response.headers };
    } catch (error) {
      throw signal.aborted ? error : new Problem(UNREACHABLE);
    }
  }

  async #open(path, signal, accept) {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), TIMEOUT);
    let response;
    try {
      response = await fetch(`${ROOT}${encodeURIComponent(this.org)}/workflows/${path}`, {
        headers: { Authorization: `Token ${this.#token}`, Accept: accept },
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.any([signal, timeout.signal]),
      });
    } catch (error) {
      throw signal.aborted ? error : new Problem(UNREACHABLE);
    } finally {
      clearTimeout(timer);
    }
    this.#setClock(response);
    if (!response.ok) throw await readProblem(response);
    return response;
  }

  #setClock(response) {
    const sent = Date.parse(response.headers.get("Date") ?? "");
    // The header has whole seconds, so half a second is added; small differences are ignored.
    const ahead = sent + 500 - Date.now();
    if (Math.abs(ahead - this.ahead) > 2000) this.ahead = ahead;
  }
}

async function readProblem(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const problem = await response.json().catch(() => ({}));
  const title = problem.title || `The service responded with status ${response.status}`;
  return new Problem({ ...problem, title, status: response.status, retryAfter });
}
