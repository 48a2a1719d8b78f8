"""/openapi.json: OpenAPI 3.1, derived from the table of routes and the schemas of the bodies."""

import hashlib
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from aiohttp import web

from sidedata.probes import NotReady
from sidedata.service.http.conditional import matches
from sidedata.service.http.endpoint import Endpoint
from sidedata.service.http.problems import Problem
from sidedata.service.openapi.responses import REF, content, refusal, responses, schema_name
from sidedata.service.report.timeline.spans import GRANULARITIES

_PARAMETER = re.compile(r"\{(\w+)\}")

_PARAMETERS = {
    "organization_id": "the organization, a UUID in any case",
    "workflow_id": "the workflow, a UUID in any case",
    "name": "the file's name",
    "limit": "the length of the page at most, 1 to 1,000; 100 if absent",
    "before": "the id of the last dead letter of the page before",
    "after": "the id of the last organization of the page before",
    "start": "start of the interval, inclusive; ISO 8601, a blank before the offset counts as +",
    "end": "end of the interval, exclusive; ISO 8601, a blank before the offset counts as +",
    "granularity": "5min, hour, day, week or month; local to the organization's reporting time zone",
    "workflows": "1 to 100 workflows as UUIDs, divided by commas; without it the first 100 of the list of workflows",
    "window": (
        "instead of start and end: the length of an interval that ends now, an ISO 8601 duration such as PT1H or P7D, "
        "at most 400 days"
    ),
}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Build the document."""
    documented = [endpoint for endpoint in endpoints if "{name}" not in endpoint.path]
    types = {
        kind for endpoint in documented for media in (*endpoint.accepts, *endpoint.returns) for kind in media.types
    }
    _, components = msgspec.json.schema_components(
        sorted({*types, Problem, NotReady}, key=schema_name), ref_template=REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in documented:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sidedata",
            "version": _version(),
            "description": (
                "Unique visitors, hours, weekdays, goals and purchases of workflows, over any interval. Version 1 may "
                "gain fields, but never loses or renames one. A final slash is optional. Each path with GET also has "
                "HEAD, and refuses unknown query parameters; POST ignores the query string. Other methods get 405, and "
                "unknown paths 404. All errors are `application/problem+json`."
            ),
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            # Responses outside of all operations.
            "responses": {"NoSuchPath": refusal(404), "OtherMethod": refusal(405)},
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token <key>`; a token has scopes, and belongs to one organization or to all",
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": "the same token as `Bearer <key>`"},
            },
        },
    }


def _version() -> str:
    try:
        return version("sidedata")
    except PackageNotFoundError:  # run from the source tree without an installation
        return "0"


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": getattr(endpoint.handler, "__name__", "answer"),
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": responses(endpoint),
    }
    if endpoint.accepts:
        operation["requestBody"] = {"required": True, "content": content(endpoint.accepts)}
    if endpoint.scope == "any":
        operation["security"] = [{"token": []}, {"bearer": []}]
        operation["description"] = "Requires a token, with whatever scopes."
    elif endpoint.scope:
        operation["security"] = [{scheme: [endpoint.scope]} for scheme in ("token", "bearer")]
        operation["description"] = f"Requires a token with the scope `{endpoint.scope}`."
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
        for name in _PARAMETER.findall(endpoint.path)
    ]
    query = [{"name": name.rstrip("?"), "in": "query", "required": not name.endswith("?")} for name in endpoint.query]
    for parameter in query:
        # As an enum, so that the types of clients name what is allowed.
        values = {"enum": [*GRANULARITIES]} if parameter["name"] == "granularity" else {}
        parameter["schema"] = {"type": "string", **values}
    return [{**parameter, "description": _PARAMETERS[str(parameter["name"])]} for parameter in path + query]


class Description:
    """The handler of the document, which is built once, when the table is complete."""

    def __init__(self) -> None:
        self._body = b"{}"
        self._etag = '""'

    def fill(self, endpoints: Iterable[Endpoint]) -> None:
        """Build the document from the table."""
        self._body = msgspec.json.encode(describe(endpoints))
        self._etag = f'"{hashlib.sha256(self._body).hexdigest()[:24]}"'

    async def serve(self, request: web.Request) -> web.Response:
        """The document, with an ETag."""
        headers = {"ETag": self._etag, "Cache-Control": "no-cache"}
        if matches(request, self._etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._body, content_type="application/json", headers=headers)
