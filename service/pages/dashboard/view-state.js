// The view that the page shows, in the URL's hash; and the token, in this tab's session storage only.

const TOKEN = "sidedata-token";
const ORGANIZATION = "sidedata-organization";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const RANGES = ["today", "yesterday", "7d", "30d", "90d", "custom"];

export function uuid(text) {
  const lower = (text ?? "").trim().toLowerCase();
  return UUID.test(lower) ? lower : "";
}

/** Read and check the hash; without an organization in it, the session's counts. */
export function readViewState() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const range = RANGES.includes(hash.get("range")) ? hash.get("range") : "today";
  return {
    org: uuid(hash.get("org")) || uuid(sessionStorage.getItem(ORGANIZATION)),
    workflow: uuid(hash.get("workflow")),
    range,
    start: range === "custom" ? (hash.get("start") ?? "") : "",
    end: range === "custom" ? (hash.get("end") ?? "") : "",
  };
}

/** The hash of a view, with readable colons. */
export function hashOf(view) {
  const hash = new URLSearchParams();
  for (const key of ["org", "workflow", "range", "start", "end"]) if (view[key]) hash.set(key, view[key]);
  return `#${hash.toString().replaceAll("%3A", ":")}`;
}

/** Replace the hash by that of a view, without a history entry; anything else in it (a token, say) is removed. */
export function replaceHash(view) {
  if (location.hash !== hashOf(view)) history.replaceState(null, "", hashOf(view));
}

export const session = {
  get token() {
    return sessionStorage.getItem(TOKEN) ?? "";
  },
  open(org, token) {
    sessionStorage.setItem(ORGANIZATION, org);
    sessionStorage.setItem(TOKEN, token);
  },
  close() {
    sessionStorage.removeItem(TOKEN);
  },
};
