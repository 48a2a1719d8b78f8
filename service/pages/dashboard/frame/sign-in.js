// The sign-in card: a token, and then the choice of an organization if it is one of several.

import { element } from "./elements.js";
import { shortId } from "../text/format.js";

/**
 * Connect the forms to `opened(token, shared)` and `chosen(org)`. Returns `{ask, choose, hide}`.
 */
export function signInCard(byId, { opened, chosen }) {
  const card = byId("ask");
  const token = byId("ask-token");

  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = token.value.trim();
    // Only printable ASCII can be sent in a header.
    if (mark(/^[\x21-\x7e]+$/.test(key) ? "" : "Paste the token printed by sidedata token create.")) return token.focus();
    token.value = "";
    opened(key, byId("ask-shared").checked);
  });
  byId("choose-find").addEventListener("input", filter);

  function mark(error) {
    byId("ask-token-error").textContent = error;
    token.setAttribute("aria-invalid", String(Boolean(error)));
    return error;
  }

  function show(id) {
    card.hidden = false;
    for (const form of ["ask-form", "choose"]) byId(form).hidden = form !== id;
  }

  function filter() {
    const wanted = byId("choose-find").value.trim().toLowerCase();
    for (const row of byId("choose-list").children) row.hidden = !row.dataset.text.includes(wanted);
  }

  return {
    /** Ask for a token; `reason` tells why the last one did not do. */
    ask(reason) {
      mark("");
      byId("ask-reason").hidden = !reason;
      byId("ask-reason").textContent = reason;
      show("ask-form");
      token.focus();
    },
    /** Let one of several organizations (`[{id, name, time_zone}]`) be chosen. */
    choose(organizations) {
      const rows = organizations.map(({ id, name, time_zone: zone }) => {
        const title = element("span", "side-name", name || shortId(id));
        const button = element("button", "choice", title, element("span", "side-line", `${name ? `${shortId(id)} · ` : ""}${zone}`));
        button.type = "button";
        button.title = id;
        button.addEventListener("click", () => chosen(id));
        const row = element("li", "", button);
        row.dataset.text = `${name ?? ""} ${id} ${zone}`.toLowerCase();
        return row;
      });
      byId("choose-list").replaceChildren(...rows);
      byId("choose-search").hidden = organizations.length < 8;
      byId("choose-none").hidden = organizations.length > 0;
      filter();
      show("choose");
      byId("choose-title").focus();
    },
    hide() {
      card.hidden = true;
    },
  };
}
