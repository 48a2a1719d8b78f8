"""The decoding of visitor events: the bytes of one JSON object become an `Event`, or a `Rejection` that names the mistake. Pure.

    bytes ─▶ wire.DECODER ─▶ ids, time and money are read ─▶ Event
                └── refused ─▶ lenient.read_fields ─▶ the same, or a Rejection

Decoding is strict about the fields that the contract names and blind to the rest: unknown fields are skipped, because producers
may be newer than this program. The common path is one pass of a compiled msgspec decoder. Only text that it refuses is read a
second time, slowly, past what the decoder can't step over or to the mistake. Every way in reads events by this one function.
"""

import re
from typing import Final, Literal

import msgspec
from msgspec import UNSET

from sidedata.events.lenient import parse_object, read_fields, reject_amount, trim
from sidedata.events.money import is_currency, units_of, units_of_number
from sidedata.events.rejection import Rejection, RejectionError, reject
from sidedata.events.timestamps import microseconds
from sidedata.events.wire import (
    DECODER,
    TYPES,
    EventType,
    GoalReached,
    GoalTriggered,
    Purchase,
    WireEvent,
)

MAX_EVENT_BYTES: Final = 16 * 1024
MAX_ENTRY_EVENTS: Final = 1_000
AHEAD_US: Final = 300_000_000  # an event may be 5 minutes ahead of its stream entry
PURCHASE_GOAL: Final = "System: Visitor purchased"

Kind = Literal["page_navigation", "interaction"]

# The kind of workflow that events of a type belong to.
KIND_OF: Final[dict[EventType, Kind]] = {
    "page_view": "page_navigation",
    "workflow_started": "interaction",
    "interaction": "interaction",
    "goal_triggered": "interaction",
    "goal_reached": "interaction",
}


class Event:
    """A decoded event: ids in lower case, time in microseconds since the epoch, money in units of 1/10,000.

    `decode_into` fills it. `defaults` names the fields that the text leaves out and something else stands in for:
    `organization_id`, `timestamp`. It is a plain class, because compiled code reads those of a `Struct` by a look-up.
    """

    __slots__ = (
        "at_us",
        "currency",
        "defaults",
        "goal_id",
        "goal_name",
        "id",
        "organization_id",
        "session_id",
        "type",
        "units",
        "visitor_id",
        "workflow_id",
    )

    type: EventType
    organization_id: str
    workflow_id: str | None
    visitor_id: str
    session_id: str
    at_us: int
    id: str | None
    goal_id: str | None
    goal_name: str | None
    units: int | None
    currency: str | None
    defaults: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """The kind of workflow that events of this type belong to."""
        return KIND_OF[self.type]


def decode_event(raw: bytes, organization_id: str | None = None, entered_us: int = 0) -> Event | Rejection:
    """Decode one event.

    Args:
        raw: the bytes of one JSON object, without surrounding text but for blanks and a byte order mark.
        organization_id: the only organization accepted, in lower case, which an event may leave out; None accepts any.
        entered_us: the time of an event without a timestamp, in microseconds since the epoch: when it entered the stream.
    """
    event = Event()
    return decode_into(event, raw, organization_id, entered_us) or event


def decode_into(  # noqa: C901 - this runs for every event, and a call costs a twentieth of it
    event: Event, raw: bytes, organization_id: str | None, entered_us: int
) -> Rejection | None:
    """Fill an event that was just made, or reject its text; see `decode_event`."""
    # The object counts, and not the blanks or the mark around it.
    if len(raw) > MAX_EVENT_BYTES and len(raw := trim(raw)) > MAX_EVENT_BYTES:
        return Rejection("too_large", f"the event has {len(raw)} bytes, {MAX_EVENT_BYTES} are allowed")
    try:
        try:
            # msgspec steps over unknown strings without looking inside, so the encoding is checked here.
            if not raw.isascii():
                raw.decode()
            wire: WireEvent = DECODER.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            fields = parse_object(trim(raw))
            if isinstance(fields, Rejection):
                return fields
            wire = read_fields(fields, needs_organization=organization_id is None)
        # Ids that an event repeats of its predecessors are looked up right here: this runs for every event.
        organization = _uuids.get(wire.organization_id)  # type: ignore[arg-type] # nothing but text is ever found
        is_named = organization is not None
        if organization is None:
            organization = _organization(wire.organization_id, organization_id)
        if organization_id is not None and organization != organization_id:
            reject("/organization_id", "another organization than the path's")
        try:
            at_us = microseconds(wire.timestamp)  # type: ignore[arg-type] # what is no text has no characters: a TypeError
        except TypeError:
            at_us = entered_us
        except ValueError as error:
            reject("/timestamp", str(error))
        kind = type(wire)
        workflow_id = None
        if kind is not GoalReached:
            text = wire.workflow_id
            workflow_id = _uuids.get(text) or _uuid("/workflow_id", text)  # type: ignore[arg-type] # all others declare text
        event.type = TYPES[kind]
        event.organization_id = organization
        event.workflow_id = workflow_id
        event.visitor_id = wire.visitor_id
        event.session_id = wire.session_id
        event.at_us = at_us
        event.id = None if wire.id is UNSET else wire.id
        event.goal_id = event.goal_name = event.units = event.currency = None
        # Only then may a field be missing; nearly all events have both.
        event.defaults = _defaults(wire) if at_us == entered_us or not is_named else ()
        if kind is GoalReached or kind is GoalTriggered:
            _read_goal(wire, event)
    except RejectionError as error:
        return error.rejection
    else:
        return None


def _read_goal(wire: WireEvent, event: Event) -> None:
    if isinstance(wire, GoalReached):
        if wire.workflow_id is not UNSET and bytes(wire.workflow_id) != b"null":
            reject("/workflow_id", "goal_reached belongs to no workflow: leave this field out")
        if isinstance(wire.purchase, Purchase):
            event.units, event.currency = _purchase(wire.purchase)
    assert isinstance(wire, GoalReached | GoalTriggered)  # noqa: S101 - for the type checker
    event.goal_id = _uuid("/goal/uuid", wire.goal.uuid)
    event.goal_name = wire.goal.name


def _organization(text: object, default: str | None) -> str:
    if isinstance(text, str):
        return _uuid("/organization_id", text)
    return default or reject("/organization_id", "missing")


def _defaults(wire: WireEvent) -> tuple[str, ...]:
    """The fields that the text leaves out."""
    fields = (("organization_id", wire.organization_id), ("timestamp", wire.timestamp))
    return tuple(name for name, value in fields if not isinstance(value, str))


def _uuid(pointer: str, text: str) -> str:
    return canonical_uuid(text) or reject(pointer, "not a UUID of 36 characters")


def _purchase(purchase: Purchase) -> tuple[int, str]:
    """Read a purchase: units of 1/10,000 and the currency."""
    if not is_currency(purchase.currency):
        reject("/purchase/currency", "not three letters A to Z")
    text = bytes(purchase.value).decode()
    try:
        if text.startswith('"'):
            return units_of(msgspec.json.decode(text, type=str)), purchase.currency
        if text.startswith(("n", "t", "f", "[", "{")):
            reject_amount(msgspec.json.decode(text))
        return units_of_number(text), purchase.currency
    except ValueError as error:
        reject("/purchase/value", str(error))


_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MAX_UUIDS: Final = 50_000
_uuids: dict[str, str] = {}


def canonical_uuid(text: str) -> str | None:
    """Convert a UUID to lower case; None for other text. UUIDs are cached, because a producer's events repeat few of them."""
    cached = _uuids.get(text)
    if cached is not None:
        return cached
    if not _UUID.fullmatch(text):
        return None
    if len(_uuids) >= _MAX_UUIDS:
        _uuids.clear()
    return _uuids.setdefault(text, text.lower())
