// The note of a report without events: how to send the first ones, or when the last one was.

import { element, patch } from "../frame/elements.js";

/** A curl line that sends one event to a workflow; the token stays a variable of the shell. */
export function curlLine(org, workflow, kind) {
  const event = {
    type: kind === "interaction" ? "workflow_started" : "page_view",
    workflow_id: workflow,
    visitor_id: "visitor-1",
    session_id: "session-1",
  };
  return [
    `curl -X POST ${location.origin}/api/ingest/v1/orgs/${org}/events`,
    `  -H "Authorization: Token $TOKEN" -H "Content-Type: application/json"`,
    `  -d '${JSON.stringify(event)}'`,
  ].join(" \\\n");
}

/** Fill `host` with the way to send a first event to a workflow. */
export function showFirstSteps(host, org, workflow, kind) {
  const line = curlLine(org, workflow, kind);
  const copy = element("button", "small copy", "Copy");
  copy.type = "button";
  copy.hidden = !navigator.clipboard; // only on https and on this machine
  const code = element("pre", "", element("code", "", line));
  code.tabIndex = 0; // it scrolls
  patch(
    host,
    element("strong", "", "No events yet."),
    " Send the first one with a token of the scope ",
    element("code", "", "ingest"),
    "; this page shows it at once.",
    code,
    copy,
  );
  host.querySelector(".copy").onclick = async ({ target }) => {
    await navigator.clipboard.writeText(line);
    target.textContent = "Copied";
  };
}
