"""Events over HTTP: a JSON array or one object a line, all of them or none into the stream.

Every event is judged as the worker will judge it, so that a producer learns at once what would otherwise become a dead
letter. What only the worker can know (kinds of workflows, what is too old) it decides later.
"""

import asyncio
import json
import re
from collections.abc import Iterator

import msgspec
from aiohttp import web
from msgspec import UNSET, Raw, UnsetType

from sidedata.events.decode import KNOWN_FIELDS, MAX_EVENT_BYTES, Fault, decode_event
from sidedata.events.json_array import split_slowly
from sidedata.service.http.auth import ORGANIZATION
from sidedata.service.http.bodies import content_type, decoded_body
from sidedata.service.http.problems import MOST_FAULTS, FieldFault, ProblemError, unavailable
from sidedata.service.http.state import BACKEND, Holding, redis_time
from sidedata.service.metrics import METRICS
from sidedata.writes.append import BacklogFullError, append

# The contract's limits. They bound what one request may hold in memory: some four times the bytes while it is decoded.
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_EVENTS = 10_000

# Events judged before others get their turn: some two milliseconds.
_SLICE = 250

JSON = "application/json"
NDJSON = "application/x-ndjson"

# An event has some ten commas. With many more in a body it is worth counting before an object is made of each element.
_SUSPICIOUS_COMMAS = 50 * MAX_EVENTS


class Accepted(msgspec.Struct, frozen=True):
    """How many events are in the stream."""

    accepted: int


class _Owner(msgspec.Struct):
    organization_id: Raw | UnsetType = UNSET


_ARRAY = msgspec.json.Decoder(list[Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_OWNER = msgspec.json.Decoder(_Owner)
# A line with something on it, from its first character on; blank lines are stepped over without making anything of them. Blank is
# what JSON calls so: an event is taken as it came, or not at all.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")


async def post_events(request: web.Request) -> web.Response:
    """Put the body's events in the stream."""
    kind = content_type(request, (JSON, NDJSON))
    backend = request.app[BACKEND]
    installation = backend.installation
    organization = request[ORGANIZATION]
    with Holding(backend) as holding:
        body = await decoded_body(request, MAX_BODY_BYTES, holding)
        async with backend.judging:
            raws = _elements(body) if kind == JSON else _lines(body)
            if raws is None:
                raws = await asyncio.to_thread(_elements_slowly, body)
            events = await checked(raws, organization)
        async with redis_time(request):
            try:
                await append(
                    backend.client,
                    installation.partition_of(organization),
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


async def checked(raws: Iterator[bytes], organization: str) -> list[bytes]:
    """The events as they go into the stream.

    Raises:
        ProblemError: 400 with the first faults, or 413 for too many events.
    """
    events: list[bytes] = []
    faults: list[FieldFault] = []
    count = 0
    for index, raw in enumerate(raws):
        count += 1
        if count > MAX_EVENTS:
            raise ProblemError(413, f"more than {MAX_EVENTS} events")
        if count % _SLICE == 0:
            await asyncio.sleep(0)
        event, fault = _checked(raw, organization)
        if fault is None:
            events.append(event)
        elif len(faults) < MOST_FAULTS:
            detail = fault.detail.removeprefix(f"{fault.pointer}: ") if fault.pointer else fault.detail
            faults.append(FieldFault(f"/{index}{fault.pointer}", f"{fault.reason}: {detail}"))
    if faults:
        refused = count - len(events)
        raise ProblemError(400, f"{refused} of {count} events can't be applied; none was taken", faults)
    return events


def _checked(raw: bytes, organization: str) -> tuple[bytes, Fault | None]:
    """The event with its organization in it, and what is wrong with it."""
    decoded = decode_event(raw, organization)
    if not isinstance(decoded, Fault):
        return raw, None
    if not _names_nobody(raw):
        return raw, decoded
    spliced = _splice(raw, organization)
    if len(spliced) > MAX_EVENT_BYTES >= len(raw) and decoded.reason != "invalid_json":
        # It was within the limit as it came, and is to be in the stream too: what nobody reads goes.
        spliced = _splice(_known_alone(raw), organization)
    decoded = decode_event(spliced, organization)
    return spliced, decoded if isinstance(decoded, Fault) else None


def _names_nobody(raw: bytes) -> bool:
    """Whether it is a JSON object that leaves `organization_id` out, however an escape may spell it."""
    try:
        return _OWNER.decode(raw).organization_id is UNSET
    except ValueError:
        pass  # perhaps for half a surrogate pair in a field that nobody reads
    except RecursionError:
        return False
    try:
        fields = json.loads(raw, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and "organization_id" not in fields


def _known_alone(raw: bytes) -> bytes:
    """The object without blanks around its fields and without fields that no event has."""
    try:
        fields = _FIELDS.decode(raw)
    except (ValueError, RecursionError):  # a name that is no text: such an event stays too large
        return raw
    return msgspec.json.encode({name: value for name, value in fields.items() if name in KNOWN_FIELDS})


def _splice(raw: bytes, organization: str) -> bytes:
    """The object with `organization_id` as its first field."""
    inner = raw.strip()[1:]
    comma = b"" if inner.lstrip().startswith(b"}") else b","
    return b'{"organization_id":"' + organization.encode() + b'"' + comma + inner


def _elements(body: bytes) -> Iterator[bytes] | None:
    """The elements of a JSON array; None if the decoder can't step over one of them, or it is no JSON."""
    if body.count(b",") > _SUSPICIOUS_COMMAS:
        _count_first(body)
    try:
        elements = _ARRAY.decode(body)
    except msgspec.ValidationError as error:
        raise ProblemError(400, "the body must be a JSON array of events") from error
    except (ValueError, RecursionError):
        return None
    return (bytes(element) for element in elements)


def _elements_slowly(body: bytes) -> Iterator[bytes]:
    """The same where one may hold half a surrogate pair or be nested deeply; takes up to two seconds, so in a thread."""
    split = split_slowly(body)
    if isinstance(split, Fault):
        raise ProblemError(400, f"the body is no JSON array of events: {split.detail}")
    return iter(split)


class _Element:
    """Stands for any element of an array while they are counted."""


class _TooManyError(Exception):
    pass


def _count_first(body: bytes) -> None:
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
    """The lines that hold something."""
    return (match[0].rstrip(b" \t\r") for match in _LINE.finditer(body))
