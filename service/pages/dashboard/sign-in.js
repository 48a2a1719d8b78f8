// The sign-in card: organization and token, at first and whenever the service refuses the token.

import { session, uuid } from "./view-state.js";

/** Connect the form; `opened(org)` is called once both are entered. Returns `{show, hide}`. */
export function signInCard(byId, opened) {
  const card = byId("ask");
  const org = byId("ask-org");
  const token = byId("ask-token");

  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = token.value.trim();
    const errors = [
      mark(org, uuid(org.value) ? "" : "Enter a UUID: 36 characters with four dashes."),
      // Only printable ASCII can be sent in a header.
      mark(token, /^[\x21-\x7e]+$/.test(key) ? "" : "Paste the token printed by sidedata token create."),
    ];
    if (errors.some(Boolean)) return void (errors[0] ? org : token).focus();
    session.open(uuid(org.value), key);
    token.value = "";
    opened(uuid(org.value));
  });

  function mark(input, error) {
    byId(`${input.id}-error`).textContent = error;
    input.setAttribute("aria-invalid", String(Boolean(error)));
    return error;
  }

  return {
    show(organization, reason) {
      org.value = organization;
      mark(org, "");
      mark(token, "");
      byId("ask-reason").hidden = !reason;
      byId("ask-reason").textContent = reason;
      card.hidden = false;
      (organization ? token : org).focus();
    },
    hide() {
      card.hidden = true;
    },
  };
}
