// What the page asks of the service: one organization's reports, with a token that only ever travels in a header.

const ROOT = "/api/reporting/workflow/v1/orgs/";
const PATIENCE = 15_000; // for the head of an answer; the service gives up on its store much sooner
const UNREACHABLE = { title: "The service can’t be reached", detail: "It doesn’t answer, or the network is down." };

/** An answer that isn't the one wanted; `status` is 0 where there was no answer at all. */
export class Problem extends Error {
  constructor({ status = 0, title = "", detail = "", errors = [], retryAfter = 0 }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, errors, retryAfter });
  }

  /** Whether another token or organization is what is needed. */
  get refused() {
    return this.status === 401 || this.status === 403;
  }

  /** Whether the same request may well succeed a little later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Read an answer, with sums of money as the very text that was sent: a double would round 12345678901234.5678.
 * In JSON `"value":` can only be a key (within a string its quotes are escaped), so the expression can't hit a name.
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
    this.zone = ""; // the organization's reporting time zone by name, once the workflows were listed
    this.ahead = 0; // milliseconds that the service's clock is ahead of ours
  }

  /** Milliseconds since the epoch by the service's clock, as far as its answers have told. */
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

  /** The open response of the live report of an interval. */
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
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), PATIENCE);
    let response;
    try {
      response = await fetch(`${ROOT}${encodeURIComponent(this.org)}/workflows/${path}`, {
        headers: { Authorization: `Token ${this.#token}`, Accept: accept },
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.any([signal, patience.signal]),
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
    // The header has whole seconds; half of one is the best guess, and small differences are left alone.
    const ahead = sent + 500 - Date.now();
    if (Math.abs(ahead - this.ahead) > 2000) this.ahead = ahead;
  }
}

async function readProblem(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const said = await response.json().catch(() => ({}));
  const title = said.title || `The service answered ${response.status}`;
  return new Problem({ ...said, title, status: response.status, retryAfter });
}
