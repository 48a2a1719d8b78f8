// The card that asks for organization and token, at first and whenever the service refuses the token.

import { session, uuid } from "./dashboard-place.js";

/** Wire the form; `opened(org)` is called once both are given. Returns `{ask, hide}`. */
export function askCard(byId, opened) {
  const card = byId("ask");
  const org = byId("ask-org");
  const token = byId("ask-token");

  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = token.value.trim();
    const faults = [
      mark(org, uuid(org.value) ? "" : "An organization is a UUID: 36 characters with four dashes."),
      // What isn't printable ASCII can't be sent in a header, let alone be a token.
      mark(token, /^[\x21-\x7e]+$/.test(given) ? "" : "Paste the token that sidedata token create printed."),
    ];
    if (faults.some(Boolean)) return void (faults[0] ? org : token).focus();
    session.open(uuid(org.value), given);
    token.value = "";
    opened(uuid(org.value));
  });

  function mark(input, fault) {
    byId(`${input.id}-fault`).textContent = fault;
    input.setAttribute("aria-invalid", String(Boolean(fault)));
    return fault;
  }

  return {
    ask(known, reason) {
      org.value = known;
      mark(org, "");
      mark(token, "");
      byId("ask-reason").hidden = !reason;
      byId("ask-reason").textContent = reason;
      card.hidden = false;
      (known ? token : org).focus();
    },
    hide() {
      card.hidden = true;
    },
  };
}
