// Requests to the service. The token is only ever sent in a header.

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

  /** True if it refuses this field. */
  refuses(pointer) {
    return this.status === 400 && this.errors.some((error) => error.pointer === pointer);
  }
}

/** The service as a token sees it, and its clock. */
export class Connection {
  #token;
  // Bounds of the milliseconds by which the service's clock is ahead of this one.
  #low = -Infinity;
  #high = Infinity;

  constructor(token) {
    this.#token = token;
  }

  /** Milliseconds since the epoch by the service's clock, estimated from its responses. */
  now() {
    return Date.now() + (Number.isFinite(this.#low) ? (this.#low + this.#high) / 2 : 0);
  }

  /** The text and the headers of a response. */
  async read(path, signal, options = {}) {
    const response = await this.open(path, signal, options);
    try {
      return { text: await response.text(), headers: response.headers };
    } catch (error) {
      throw signal?.aborted ? error : new Problem(UNREACHABLE);
    }
  }

  /** The response to a GET, or to a PUT of a JSON `body`, once its head is there. */
  async open(path, signal, { accept = "application/json", body = null } = {}) {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), TIMEOUT);
    const asked = Date.now();
    let response;
    try {
      response = await fetch(path, {
        method: body ? "PUT" : "GET",
        headers: { Authorization: `Token ${this.#token}`, Accept: accept, ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.any([timeout.signal, ...(signal ? [signal] : [])]),
      });
    } catch (error) {
      throw signal?.aborted ? error : new Problem(UNREACHABLE);
    } finally {
      clearTimeout(timer);
    }
    this.#setClock(Date.parse(response.headers.get("Date") ?? ""), asked, Date.now());
    if (!response.ok) throw await readProblem(response);
    return response;
  }

  /** Narrow the bounds: the header has whole seconds, and was written between question and answer. */
  #setClock(sent, asked, answered) {
    if (Number.isNaN(sent)) return;
    const low = sent - answered;
    const high = sent + 1000 - asked;
    const contradiction = low > this.#high || high < this.#low; // one of the clocks was set
    this.#low = contradiction ? low : Math.max(low, this.#low);
    this.#high = contradiction ? high : Math.min(high, this.#high);
  }
}

async function readProblem(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const problem = await response.json().catch(() => ({}));
  const title = problem.title || `The service responded with status ${response.status}`;
  return new Problem({ ...problem, title, status: response.status, retryAfter });
}
