#!/usr/bin/env bash
# A closed tuple in an OpenAPI 3.1 document stops one generator of clients; an open one is generated as a plain list.
#
# Guess: "items": false after prefixItems, which JSON Schema 2020-12 gives for "and nothing more", is read by whatever says 3.1.
# Seen: openapi-spec-validator 0.9.0 finds the document valid. openapi-python-client 0.29.1 makes no client ("Input should be a
# valid dictionary or instance of Schema"); without items it makes list[list[int]]: prefixItems and the number are lost.
# openapi-typescript 7.13.0 makes [number, number] of both.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python openapi-python-client==0.29.1 openapi-spec-validator==0.9.0
node openapi-typescript@7.13.0 typescript@5.9.3

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys

for name, items in ("closed", {"items": False}), ("open", {}):
    pair = {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "maxItems": 2, **items}
    report = {"type": "object", "required": ["pairs"], "properties": {"pairs": {"type": "array", "items": pair}}}
    answer = {"description": "ok", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "reports", "version": "1"},
        "paths": {"/report": {"get": {"operationId": "report", "responses": {"200": answer}}}},
        "components": {"schemas": {"Report": report}},
    }
    with open(f"{sys.argv[1]}/{name}.json", "w") as file:
        json.dump(document, file)
PYTHON

cd "$folder"
for name in closed open; do
  echo "$name, validator: $(venv/bin/openapi-spec-validator "$name.json" 2>&1 | grep -o 'OK$' || echo invalid)"
  venv/bin/openapi-python-client generate --path "$name.json" --meta none --output-path "$name" >"$name.log" 2>&1 || true
  echo "$name, Python: $(grep -ho 'pairs: list.*' "$name/models/report.py" 2>/dev/null | head -n 1 ||
    grep -o 'Input should be a valid dictionary or instance of Schema' "$name.log")"
  echo "$name, TypeScript: $(node_modules/.bin/openapi-typescript "$name.json" 2>/dev/null | tr -d ' \n' | grep -o 'pairs:[^;]*;')"
done >seen
cd - >/dev/null

verdict "$folder/seen" <<'RECORD'
closed, validator: OK
closed, Python: Input should be a valid dictionary or instance of Schema
closed, TypeScript: pairs:[number,number][];
open, validator: OK
open, Python: pairs: list[list[int]]
open, TypeScript: pairs:[number,number][];
RECORD
