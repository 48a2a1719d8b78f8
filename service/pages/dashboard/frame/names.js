// Names of workflows and of the organization, given by a token with the scope `admin`.

import { write } from "./elements.js";

/**
 * Connect the dialog; `saved()` follows when the promise of `save(workflow, name)` is kept. Returns a function that opens it for a workflow,
 * or for the organization (""), with the present name.
 */
export function nameDialog(byId, save, saved) {
  const dialog = byId("name");
  const input = byId("name-input");
  let workflow = "";

  byId("name-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    byId("name-save").disabled = true;
    try {
      await save(workflow, input.value.trim());
      dialog.close();
      saved();
    } catch (problem) {
      write(byId("name-error"), problem.errors?.[0]?.detail ?? problem.message);
    } finally {
      byId("name-save").disabled = false;
    }
  });
  byId("name-cancel").addEventListener("click", () => dialog.close());

  return (id, name) => {
    workflow = id;
    input.value = name;
    write(byId("name-title"), id ? "Name of the workflow" : "Name of the organization");
    write(byId("name-error"), "");
    dialog.showModal();
    input.select();
  };
}
