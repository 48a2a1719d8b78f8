"""Events over HTTP: a JSON array or one object per line; all of them enter the stream, or none.

Each event is validated as the worker will validate it, so that a producer learns at once which event would become a dead letter.
Only the worker can check the kinds of workflows and the retention; it does so later.
"""

import asyncio
import json
import re
from collections.abc import Iterator

import msgspec
from aiohttp import web
from msgspec import UNSET, Raw, UnsetType

from sidedata.events.decode import MAX_EVENT_BYTES, Rejection, decode_event
from sidedata.events.json_array import split_leniently
from sidedata.events.wire import KNOWN_FIELDS
from sidedata.service.http.auth import ORGANIZATION
from sidedata.service.http.bodies import content_type, decoded_body
from sidedata.service.http.problems import MOST_FIELD_ERRORS, FieldError, ProblemError, unavailable
from sidedata.service.http.state import BACKEND, BodyBudget, redis_timeout
from sidedata.service.metrics import METRICS
from sidedata.writes.append import BacklogFullError, append

# The contract's limits. They bound the memory of one request: some four times the bytes while it is decoded.
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_EVENTS = 10_000

# Events to validate before other requests get their turn: some two milliseconds.
_SLICE = 250

JSON = "application/json"
NDJSON = "application/x-ndjson"

# An event has some ten commas. A body with many more is worth counting before an object is made of each element.
_SUSPICIOUS_COMMAS = 50 * MAX_EVENTS


class Accepted(msgspec.Struct, frozen=True):
    """The number of events that are now in the stream."""

    accepted: int


class _Owner(msgspec.Struct):
    organization_id: Raw | UnsetType = UNSET


_ARRAY = msgspec.json.Decoder(list[Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_OWNER = msgspec.json.Decoder(_Owner)
# A line with content, from its first character on; blank lines are skipped without making a string of them. Blanks are those of
# JSON, so that an event with any other white space is refused and not altered.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")


async def post_events(request: web.Request) -> web.Response:
    """Append the events in the body to the stream."""
    media_type = content_type(request, (JSON, NDJSON))
    backend = request.app[BACKEND]
    installation = backend.installation
    organization = request[ORGANIZATION]
    with BodyBudget(backend) as budget:
        body = await decoded_body(request, MAX_BODY_BYTES, budget)
        async with backend.validation_slots:
            raws = _elements(body) if media_type == JSON else _lines(body)
            if raws is None:
                raws = await asyncio.to_thread(_elements_leniently, body)
            events = await validate(raws, organization)
        async with redis_timeout(request):
            try:
                await append(
                    backend.gateway,
                    installation.keyspace_of(organization),
                    events,
                    backend.settings.backlog_limit,
                    backend.settings.wait_replicas,
                )
            except BacklogFullError as error:
                request.app[METRICS].backlog_full.inc()
                raise unavailable("too many events wait to be applied; send this again in a moment") from error
    request.app[METRICS].ingested.inc(len(events))
    return web.Response(
        body=msgspec.json.encode(Accepted(len(events))),
        status=202,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def validate(raws: Iterator[bytes], organization: str) -> list[bytes]:
    """Validate events and return them in the form in which they enter the stream.

    Raises:
        ProblemError: 400 with the first errors, or 413 for too many events.
    """
    events: list[bytes] = []
    errors: list[FieldError] = []
    count = 0
    for index, raw in enumerate(raws):
        count += 1
        if count > MAX_EVENTS:
            raise ProblemError(413, f"more than {MAX_EVENTS} events")
        if count % _SLICE == 0:
            await asyncio.sleep(0)
        event, rejection = validate_event(raw, organization)
        if rejection is None:
            events.append(event)
        elif len(errors) < MOST_FIELD_ERRORS:
            prefix = f"{rejection.pointer}: " if rejection.pointer else ""
            detail = f"{rejection.reason}: {rejection.detail.removeprefix(prefix)}"
            errors.append(FieldError(f"/{index}{rejection.pointer}", detail))
    if errors:
        raise ProblemError(400, f"{count - len(events)} of {count} events are invalid; none was accepted", errors)
    return events


def validate_event(raw: bytes, organization: str) -> tuple[bytes, Rejection | None]:
    """Validate one event; returns it with its organization added if it has none, and the reason if it is invalid."""
    decoded = decode_event(raw, organization)
    if not isinstance(decoded, Rejection):
        return raw, None
    if not _lacks_organization(raw):
        return raw, decoded
    spliced = _splice(raw, organization)
    if len(spliced) > MAX_EVENT_BYTES >= len(raw) and decoded.reason != "invalid_json":
        # The event itself is within the limit, so it must fit the stream too: unknown fields go.
        spliced = _splice(_strip_unknown(raw), organization)
    decoded = decode_event(spliced, organization)
    return spliced, decoded if isinstance(decoded, Rejection) else None


def _lacks_organization(raw: bytes) -> bool:
    """Tell if it is a JSON object without `organization_id`, in whatever escapes that name may be spelled."""
    try:
        return _OWNER.decode(raw).organization_id is UNSET
    except ValueError:
        pass  # perhaps because of half a surrogate pair in an unknown field
    except RecursionError:
        return False
    try:
        fields = json.loads(raw, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and "organization_id" not in fields


def _strip_unknown(raw: bytes) -> bytes:
    """The object without blanks between its fields and without unknown fields."""
    try:
        fields = _FIELDS.decode(raw)
    except (ValueError, RecursionError):  # a name that is not valid text: such an event stays too large
        return raw
    return msgspec.json.encode({name: value for name, value in fields.items() if name in KNOWN_FIELDS})


def _splice(raw: bytes, organization: str) -> bytes:
    """The object with `organization_id` as its first field."""
    inner = raw.strip()[1:]
    comma = b"" if inner.lstrip().startswith(b"}") else b","
    return b'{"organization_id":"' + organization.encode() + b'"' + comma + inner


def _elements(body: bytes) -> Iterator[bytes] | None:
    """The elements of a JSON array; None if the decoder can't skip one of them, or the body is not JSON."""
    if body.count(b",") > _SUSPICIOUS_COMMAS:
        _count_elements(body)
    try:
        elements = _ARRAY.decode(body)
    except msgspec.ValidationError as error:
        raise ProblemError(400, "the body must be a JSON array of events") from error
    except (ValueError, RecursionError):
        return None
    return (bytes(element) for element in elements)


def _elements_leniently(body: bytes) -> Iterator[bytes]:
    """The elements of an array with half a surrogate pair or deep nesting; takes up to two seconds, so run it in a thread."""
    split = split_leniently(body)
    if isinstance(split, Rejection):
        raise ProblemError(400, f"the body is not a JSON array of events: {split.detail}")
    return iter(split)


class _Element:
    """Takes the place of each element of an array while they are counted."""


class _TooManyError(Exception):
    pass


def _count_elements(body: bytes) -> None:
    """Refuse an array of too many elements before all of them are in memory at once."""
    count = 0

    def element(_kind: type, _value: object) -> _Element:
        nonlocal count
        count += 1
        if count > MAX_EVENTS:
            raise _TooManyError
        return _Element()

    try:
        msgspec.json.decode(body, type=list[_Element], dec_hook=element)
    except _TooManyError as error:
        raise ProblemError(413, f"more than {MAX_EVENTS} events") from error
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "the body is not a JSON array of events") from error


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines with content."""
    return (match[0].rstrip(b" \t\r") for match in _LINE.finditer(body))
