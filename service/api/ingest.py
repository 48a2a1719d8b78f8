"""Events over HTTP: a JSON array or one object per line; all of them enter the stream, or none.

Each event is validated as the worker will validate it, so that a producer learns at once which event would become a dead letter.
What else will make it one is named as a warning, as far as it is known.
"""

import asyncio
import re
from collections.abc import Iterator

import msgspec
from aiohttp import web
from msgspec import UNSET, Raw, UnsetType

from sidedata.events.decode import MAX_EVENT_BYTES, Event, decode_event
from sidedata.events.json_array import split_leniently
from sidedata.events.lenient import BOM, trim
from sidedata.events.rejection import Rejection
from sidedata.events.rewrite import with_field
from sidedata.events.wire import EventType
from sidedata.service.api.ingest_warnings import BatchFacts, EventWarning, KindCache, warnings
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
    """The number of events that are now in the stream, and the first 20 of them that will become dead letters."""

    accepted: int
    warnings: list[EventWarning] | UnsetType = UNSET


KINDS = web.AppKey("KINDS", KindCache)

_ARRAY = msgspec.json.Decoder(list[Raw])
# A line with content, from its first character on; blank lines are skipped without making a string of them. Blanks are those of
# JSON, so that an event with any other white space is refused and not altered.
_BRACE = ord("{")
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
            events, facts = await validate(raws, organization, int(backend.clock.now() * 1_000_000))
        async with redis_timeout(request):
            event_warnings = await warnings(backend, request.app[KINDS], organization, events, facts)
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
        body=msgspec.json.encode(Accepted(len(events), event_warnings or UNSET)),
        status=202,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def validate(raws: Iterator[bytes], organization: str, entered_us: int = 0) -> tuple[list[bytes], BatchFacts]:
    """Validate events and return them in the form in which they enter the stream, with the facts that warnings depend on.

    Args:
        entered_us: the time of events without a timestamp.

    Raises:
        ProblemError: 400 with the first errors, or 413 for too many events.
    """
    valid: list[bytes] = []
    workflows: set[tuple[str | None, EventType]] = set()
    oldest_us = newest_us = entered_us
    errors: list[FieldError] = []
    count = 0
    for raw in raws:
        count += 1
        if count > MAX_EVENTS:
            raise ProblemError(413, f"more than {MAX_EVENTS} events")
        if count % _SLICE == 0:
            await asyncio.sleep(0)
        event = decode_event(raw, organization, entered_us)
        if type(event) is not Event or event.defaults or raw[0] != _BRACE:  # few
            raw, event = _entering(raw, event, organization)  # noqa: PLW2901 - the same event, as it enters the stream
            if isinstance(event, Rejection):
                if len(errors) < MOST_FIELD_ERRORS:
                    errors.append(FieldError(f"/{count - 1}{event.pointer}", f"{event.reason}: {event.sentence}"))
                continue
        valid.append(raw)
        # Facts and not the events: a thousand of them in memory at once cost more than they are worth.
        workflows.add((event.workflow_id, event.type))
        if event.at_us < oldest_us:
            oldest_us = event.at_us
        elif event.at_us > newest_us:
            newest_us = event.at_us
    if errors:
        bad = count - len(valid)
        raise ProblemError(
            400, f"{bad} of {count} events {'is' if bad == 1 else 'are'} invalid; none was accepted", errors
        )
    return valid, BatchFacts(workflows, oldest_us, newest_us)


def _entering(raw: bytes, decoded: Event | Rejection, organization: str) -> tuple[bytes, Event | Rejection]:
    """An event as it enters the stream, with its organization, and decoded; or why it is refused."""
    if isinstance(decoded, Rejection):
        return raw, decoded
    if "organization_id" in decoded.defaults:
        named = with_field(raw, "organization_id", organization)
        if len(named) > MAX_EVENT_BYTES:
            return raw, Rejection("too_large", f"the event has {len(named)} bytes with its organization's")
        return named, decoded
    return trim(raw), decoded


def _elements(body: bytes) -> Iterator[bytes] | None:
    """The elements of a JSON array, or a single object; None if the decoder can't skip an element, or the body is not JSON."""
    body = trim(body)
    if body.startswith(b"{"):
        return iter((body,))
    if body.count(b",") > _SUSPICIOUS_COMMAS and not _count_elements(body):
        return None
    try:
        elements = _ARRAY.decode(body)
    except msgspec.ValidationError as error:
        raise ProblemError(400, "the body is neither a JSON array of events nor one event") from error
    except (ValueError, RecursionError):
        return None
    return (bytes(element) for element in elements)


def _elements_leniently(body: bytes) -> Iterator[bytes]:
    """The elements of an array that the decoder can't read; takes up to two seconds, so run it in a thread."""
    split = split_leniently(body, MAX_EVENTS)
    if isinstance(split, Rejection):
        raise ProblemError(400, f"the body is neither a JSON array of events nor one event: {split.detail}")
    return iter(split)


class _Element:
    """Takes the place of each element of an array while they are counted."""


class _TooManyError(Exception):
    pass


def _count_elements(body: bytes) -> bool:
    """Refuse an array of too many elements before all of them are in memory at once; False if the decoder can't read it."""
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
    except (ValueError, RecursionError):
        return False
    return True


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines with content."""
    lines = (match[0].rstrip(b" \t\r") for match in _LINE.finditer(body))
    has_mark = not body.isascii() and BOM in body  # the first is ten times as fast
    return (line for line in lines if trim(line)) if has_mark else lines
