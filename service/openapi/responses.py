"""Responses and bodies of operations, described for OpenAPI."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from sidedata.probes import NotReady
from sidedata.service.http.endpoint import Endpoint, Media
from sidedata.service.http.problems import CONTENT_TYPE, Problem

REF: Final = "#/components/schemas/{name}"
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


def schema_name(kind: type) -> str:
    """The name of a type among the document's schemas."""
    return kind.__name__


def responses(endpoint: Endpoint) -> dict[str, Any]:
    """Describe the responses of an endpoint, by status."""
    success: dict[str, Any] = {
        "description": HTTPStatus(endpoint.success).phrase,
        "content": content(endpoint.returns),
    }
    if endpoint.headers:
        success["headers"] = {
            name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in endpoint.headers
        }
    by_status: dict[str, Any] = {str(endpoint.success): success}
    if "ETag" in endpoint.headers:
        by_status["304"] = {
            "description": "nothing has changed since the response with the entity tag in If-None-Match"
        }
    if endpoint.path in _PROBE_FAILURES:
        by_status["503"] = refusal(503, *_PROBE_FAILURES[endpoint.path])
    for status in sorted(endpoint.refusals):
        by_status[str(status)] = refusal(status)
    return by_status


def refusal(status: int, description: str = "", kind: type = Problem) -> dict[str, Any]:
    """Describe the response of an error; without a description, by its status."""
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
    response: dict[str, Any] = {
        "description": description or _REFUSALS[status],
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": REF.format(name=schema_name(kind))},
                "example": example,
            }
        },
    }
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    if status == 405:
        response["headers"] = {"Allow": {"description": "GET, HEAD, POST or PUT", "schema": {"type": "string"}}}
    if status == 401:
        response["headers"] = {"WWW-Authenticate": {"description": "Token", "schema": {"type": "string"}}}
    return response


def content(medias: Iterable[Media]) -> dict[str, Any]:
    """Describe bodies, by content type."""
    by_type: dict[str, Any] = {}
    for media in medias:
        refs = [{"$ref": REF.format(name=schema_name(kind))} for kind in media.types]
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
        by_type[media.content_type] = media_type
    return by_type
