"""/openapi.json: OpenAPI 3.1, derived from the table of routes and the schemas of the bodies."""

import hashlib
import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from aiohttp import web

from sidedata.probes import NotReady
from sidedata.service.http.conditional import matches
from sidedata.service.http.endpoint import Endpoint, Media
from sidedata.service.http.problems import CONTENT_TYPE, Problem
from sidedata.service.report.timeline.spans import GRANULARITIES

_REF = "#/components/schemas/{name}"
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
_HEADERS = {
    "Sidedata-Zone-Rules": "the release of the zone data that days and hours are cut by, such as 2026f; "
    "`; since=` and a date follow while days before it, cut by older rules, are kept",
    "Sidedata-Effective-Interval": "the interval that the numbers cover: start/end with the reporting zone's offsets",
    "Sidedata-As-Of": (
        "RFC 3339 in UTC: every event that had entered the stream by then is in the numbers or a dead letter; absent if the "
        "service may not read the streams"
    ),
    "Sidedata-Time-Zone": "the IANA name of the organization's reporting time zone",
    "Vary": "the request headers that the answer depends on",
    "Link": 'the next page, rel="next"; absent on the last one',
    "Location": "the dashboard",
    "ETag": "strong; send it as If-None-Match to get 304 while nothing has changed",
    "Cache-Control": "private, max-age=1",
}
_REFUSALS = {
    400: "invalid JSON, invalid UUID in the path, missing or invalid field, invalid interval",
    401: "no token, or an unknown token",
    403: "a token without the scope, or of another organization",
    404: "no such workflow in this organization, or no such path",
    405: "this path does not take that method; `Allow` lists its methods",
    409: "what is fixed already: another time zone than that of the events, another kind than the workflow's",
    408: "the body took too long to arrive",
    413: "the body is too large",
    415: "the body has an unsupported type or encoding",
    429: "over the token's rate limit",
    503: "Redis is out of reach, or too many events wait to be applied",
}
# The probes describe their own failures.
_PROBE_FAILURES: dict[str, tuple[str, type]] = {
    "/livez": ("the process makes no progress", Problem),
    "/readyz": ("Redis did not answer in time", NotReady),
}
_EXAMPLES: dict[int, tuple[str, list[dict[str, str]]]] = {
    400: ("the body is incomplete or wrong", [{"pointer": "/interval/end", "detail": "must be after start"}]),
    401: ("no such token", []),
    403: ("the token lacks the scope reports", []),
    404: ("no such workflow in this organization", []),
}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Build the document."""
    documented = [endpoint for endpoint in endpoints if "{name}" not in endpoint.path]
    types = {
        kind for endpoint in documented for media in (*endpoint.accepts, *endpoint.returns) for kind in media.types
    }
    _, components = msgspec.json.schema_components(sorted({*types, Problem, NotReady}, key=_name), ref_template=_REF)
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
            "responses": {"NoSuchPath": _refusal(404), "OtherMethod": _refusal(405)},
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


def _name(kind: type) -> str:
    return kind.__name__


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
        "responses": _responses(endpoint),
    }
    if endpoint.accepts:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.accepts)}
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


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    success: dict[str, Any] = {
        "description": HTTPStatus(endpoint.success).phrase,
        "content": _content(endpoint.returns),
    }
    if endpoint.headers:
        success["headers"] = {
            name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in endpoint.headers
        }
    responses: dict[str, Any] = {str(endpoint.success): success}
    if "ETag" in endpoint.headers:
        responses["304"] = {
            "description": "nothing has changed since the response with the entity tag in If-None-Match"
        }
    if endpoint.path in _PROBE_FAILURES:
        responses["503"] = _refusal(503, *_PROBE_FAILURES[endpoint.path])
    for status in sorted(endpoint.refusals):
        responses[str(status)] = _refusal(status)
    return responses


def _refusal(status: int, description: str = "", kind: type = Problem) -> dict[str, Any]:
    detail, errors = _EXAMPLES.get(status, (description or _REFUSALS[status], []))
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        example["errors"] = errors
    if kind is NotReady:
        example |= {"checks": [{"name": "redis", "status": "failed", "detail": detail}], "warnings": [detail]}
    refusal: dict[str, Any] = {
        "description": description or _REFUSALS[status],
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": _REF.format(name=_name(kind))},
                "example": example,
            }
        },
    }
    if status in (429, 503):
        refusal["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    if status == 405:
        refusal["headers"] = {"Allow": {"description": "GET, HEAD, POST or PUT", "schema": {"type": "string"}}}
    if status == 401:
        refusal["headers"] = {"WWW-Authenticate": {"description": "Token", "schema": {"type": "string"}}}
    return refusal


def _content(medias: Iterable[Media]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media in medias:
        refs = [{"$ref": _REF.format(name=_name(kind))} for kind in media.types]
        schema: dict[str, Any] = refs[0] if len(refs) == 1 else {"anyOf": refs}
        if not refs:
            schema = {"type": "object"} if media.content_type == "application/json" else {"type": "string"}
        if media.many:
            array = {"type": "array", "items": schema}
            schema = {"anyOf": [array, schema]} if media.single else array
        if media.description:
            schema = {**schema, "description": media.description}
        media_type: dict[str, Any] = {"schema": schema}
        if media.example is not None:
            media_type["example"] = media.example
        if media.examples is not None:
            media_type["examples"] = {name: {"value": value} for name, value in media.examples.items()}
        content[media.content_type] = media_type
    return content


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
