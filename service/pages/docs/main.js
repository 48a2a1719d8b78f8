// Shows /openapi.json. All texts are inserted as text, never as markup; text between backticks is code.

const description = await fetch("/openapi.json").then((response) => response.json());

document.getElementById("about").replaceChildren(...words(`${description.info.description} (Version ${description.info.version})`));

const index = document.getElementById("index");
const operations = document.getElementById("operations");
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const id = operation.operationId;
    index.append(make("li", {}, badge(method), make("a", { href: `#${id}` }, make("code", {}, ...breakable(path)))));
    operations.append(section(id, method, path, operation));
  }
}

const schemas = document.getElementById("schemas");
for (const [name, schema] of Object.entries(description.components.schemas)) {
  const details = make("details", { id: `schema-${name}` }, make("summary", {}, name));
  if (schema.description) details.append(make("p", {}, ...words(schema.description)));
  details.append(make("pre", {}, JSON.stringify(schema, null, 2)));
  schemas.append(details);
}

// The target of the URL's hash did not exist yet when the browser looked for it.
const target = document.getElementById(location.hash.slice(1));
if (target) target.scrollIntoView();

function section(id, method, path, operation) {
  const part = make("section", { "aria-labelledby": id });
  part.append(make("h2", { id }, badge(method), make("code", {}, ...breakable(path))));
  part.append(make("p", {}, ...words(operation.summary + ".")));
  if (operation.description) part.append(make("p", {}, ...words(operation.description)));
  if (operation.parameters.length) {
    part.append(make("h3", {}, "Parameters"));
    part.append(
      table(
        ["name", "in", "meaning"],
        operation.parameters.map((parameter) => [
          make("code", {}, parameter.name),
          parameter.in + (parameter.required ? "" : ", optional"),
          make("span", {}, ...words(parameter.description)),
        ]),
      ),
    );
  }
  for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
    part.append(make("h3", {}, "Body: ", make("code", {}, type)), ...body(media));
  }
  part.append(make("h3", {}, "Responses"));
  part.append(
    table(
      ["status", "when", "body"],
      Object.entries(operation.responses).map(([status, answer]) => [
        make("code", {}, status),
        make("span", {}, ...words(answer.description), ...headers(answer.headers)),
        make("span", {}, ...Object.entries(answer.content ?? {}).flatMap(([type, media]) => [type, " ", ...links(media.schema)])),
      ]),
    ),
  );
  const success = Object.values(operation.responses)[0];
  for (const media of Object.values(success.content ?? {})) part.append(...examples(media));
  return part;
}

function body(media) {
  const shown = [make("p", {}, ...links(media.schema))];
  shown.push(...examples(media));
  return shown;
}

/** The examples of a body; one that is not JSON is shown unchanged. */
function examples({ example, examples: named = {} }) {
  const all = example === undefined ? Object.values(named).map(({ value }) => value) : [example];
  return all.map((value) => make("pre", {}, typeof value === "string" ? value : compact(value)));
}

/** JSON with a line for each field, but with pairs of numbers on one line. */
function compact(value) {
  return JSON.stringify(value, null, 2)
    .replace(/\[\s+(\d+),\s+(\d+)\s+\]/g, "[$1, $2]")
    .replace(/(?<=\d\],)\s+(?=\[\d)/g, " ")
    .replace(/\[\s+(?=\[\d)/g, "[")
    .replace(/(?<=\d\])\s+\]/g, "]");
}

/** Links to the schemas that a schema refers to. */
function links(schema) {
  return (schema.anyOf ?? [schema]).flatMap((part) => {
    const reference = (part.items ?? part).$ref;
    if (!reference) return [];
    const name = reference.split("/").pop();
    return [make("a", { href: `#schema-${name}` }, name), part.items ? "[] " : " "];
  });
}

/** The descriptions of a response's headers, each on a line. */
function headers(named = {}) {
  return Object.entries(named).map(([name, { description }]) => {
    return make("span", { class: "header" }, make("code", {}, name), ": ", ...words(description));
  });
}

/** A text with code between backticks. */
function words(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

/** A path that may wrap after each of its slashes. */
function breakable(path) {
  return path.split(/(?<=\/)/).flatMap((part) => [part, make("wbr", {})]);
}

function badge(method) {
  return make("span", { class: "method" }, method.toUpperCase());
}

function table(head, rows) {
  const content = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))),
  );
  // On a phone it may be wider than the page and scrolls by itself; the tab stop makes that possible with a keyboard.
  return make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": head.join(", ") }, content);
}

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}
