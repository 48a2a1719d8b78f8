// The view that the page shows, in the URL's hash: organization, workflow, range and comparison, and never a token.

import { COMPARISONS, RANGES } from "../range/ranges.js";
import { GRANULARITIES } from "../range/granularity.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const KEYS = ["org", "workflow", "range", "at", "start", "end", "compare", "by"];

export function uuid(text) {
  const lower = (text ?? "").trim().toLowerCase();
  return UUID.test(lower) ? lower : "";
}

const member = (list, value, other) => (list.includes(value) ? value : other);

/** Read and check the hash. Without a workflow the view is the overview; without `at` a range ends now. */
export function readViewState() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const at = /^\d{4}-\d\d-\d\d$/.test(hash.get("at") ?? "") && !Number.isNaN(Date.parse(hash.get("at"))) ? hash.get("at") : "";
  const range = member(RANGES, hash.get("range"), at ? "day" : "7d");
  const custom = range === "custom";
  return {
    org: uuid(hash.get("org")),
    workflow: uuid(hash.get("workflow")),
    range: range === "day" && !at ? "today" : range,
    at: custom ? "" : at,
    start: custom ? (hash.get("start") ?? "") : "",
    end: custom ? (hash.get("end") ?? "") : "",
    compare: member(Object.keys(COMPARISONS), hash.get("compare"), "previous"),
    by: member(GRANULARITIES, hash.get("by"), ""),
  };
}

/** The hash of a view, with readable colons; what goes without saying is left out. */
export function hashOf(view) {
  const hash = new URLSearchParams();
  for (const key of KEYS) if (view[key] && !(key === "compare" && view[key] === "previous")) hash.set(key, view[key]);
  return `#${hash.toString().replaceAll("%3A", ":")}`;
}

/** Replace the hash by that of a view, without a history entry; a token in it, say, is removed. */
export function replaceHash(view) {
  if (location.hash !== hashOf(view)) history.replaceState(null, "", hashOf(view));
}
