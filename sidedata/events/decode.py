"""The decoding of visitor events: the bytes of one JSON object become an `Event`, or a `Rejection` that names the mistake. Pure.

    bytes ─▶ wire.DECODER ─▶ ids, time and money are read ─▶ Event
                └── refused ─▶ a slower look for the cause ─▶ Rejection, or the same without unknown fields

Decoding is strict about the fields that the contract names and blind to the rest: unknown fields are skipped, because producers
may be newer than this program. The common path is one pass of a compiled msgspec decoder. Only text that it refuses is decoded a
second time, slowly, to tell text that is no JSON from JSON that is no event.
"""

import json
import re
from typing import Final, Literal, NoReturn

import msgspec
from msgspec import UNSET, Struct

from sidedata.events.money import is_currency, units_of
from sidedata.events.timestamps import microseconds
from sidedata.events.wire import (
    DECODER,
    KNOWN_FIELDS,
    TYPES,
    EventType,
    GoalReached,
    GoalTriggered,
    Purchase,
    WireEvent,
)

MAX_EVENT_BYTES: Final = 16 * 1024
MAX_ENTRY_EVENTS: Final = 1_000
PURCHASE_GOAL: Final = "System: Visitor purchased"

Kind = Literal["page_navigation", "interaction"]
Reason = Literal[
    "invalid_json",
    "invalid_event",
    "too_large",
    "wrong_partition",
    "too_old",
    "in_future",
    "workflow_kind_mismatch",
]

# The kind of workflow that events of a type belong to.
KIND_OF: Final[dict[EventType, Kind]] = {
    "page_view": "page_navigation",
    "workflow_started": "interaction",
    "interaction": "interaction",
    "goal_triggered": "interaction",
    "goal_reached": "interaction",
}


class Rejection(Struct, frozen=True):
    """The cause why an event can't be applied: the dead letter's reason, a sentence, a JSON pointer ("" for the whole event)."""

    reason: Reason
    detail: str
    pointer: str = ""


class Event(Struct, gc=False):
    """A decoded event: ids in lower case, time in microseconds since the epoch, money in units of 1/10,000."""

    type: EventType
    organization_id: str
    workflow_id: str | None
    visitor_id: str
    session_id: str
    at_us: int
    id: str | None
    goal_id: str | None = None
    goal_name: str | None = None
    units: int | None = None
    currency: str | None = None

    @property
    def kind(self) -> Kind:
        """The kind of workflow that events of this type belong to."""
        return KIND_OF[self.type]


class _RejectionError(Exception):
    def __init__(self, pointer: str, detail: str) -> None:
        self.rejection = Rejection("invalid_event", f"{pointer}: {detail}" if pointer else detail, pointer)


def decode_event(raw: bytes, organization_id: str | None = None) -> Event | Rejection:
    """Decode one event.

    Args:
        raw: the bytes of one JSON object, without surrounding text.
        organization_id: the only organization accepted, in lower case; None accepts any.
    """
    if len(raw) > MAX_EVENT_BYTES:
        return Rejection("too_large", f"the event has {len(raw)} bytes, {MAX_EVENT_BYTES} are allowed")
    try:
        # msgspec steps over unknown strings without looking inside, so the encoding is checked here.
        if not raw.isascii():
            raw.decode()
        wire = DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        diagnosis = _diagnose(raw, error)
        if isinstance(diagnosis, Rejection):
            return diagnosis
        wire = diagnosis
    try:
        return _read(wire, organization_id)
    except _RejectionError as error:
        return error.rejection


def _read(wire: WireEvent, organization_id: str | None) -> Event:
    # Ids that an event repeats of its predecessors are looked up right here: this runs for every event.
    organization = _uuids.get(wire.organization_id) or _uuid("/organization_id", wire.organization_id)
    if organization_id is not None and organization != organization_id:
        _reject("/organization_id", "another organization than the path's")
    try:
        at_us = microseconds(wire.timestamp)
    except ValueError as error:
        _reject("/timestamp", str(error))
    kind = type(wire)
    event_id = None if wire.id is UNSET else wire.id
    event = Event(TYPES[kind], organization, None, wire.visitor_id, wire.session_id, at_us, event_id)
    if kind is GoalReached:
        assert isinstance(wire, GoalReached)  # noqa: S101 - for the type checker
        if wire.workflow_id is not UNSET:
            _reject("/workflow_id", "goal_reached belongs to no workflow")
        if wire.purchase is not UNSET:
            event.units, event.currency = _purchase(wire.purchase)
    else:
        workflow_id = wire.workflow_id
        assert isinstance(workflow_id, str)  # noqa: S101 - only goal_reached declares anything else
        event.workflow_id = _uuids.get(workflow_id) or _uuid("/workflow_id", workflow_id)
    if kind is GoalReached or kind is GoalTriggered:
        assert isinstance(wire, GoalReached | GoalTriggered)  # noqa: S101 - for the type checker
        event.goal_id = _uuid("/goal/uuid", wire.goal.uuid)
        event.goal_name = wire.goal.name
    return event


def _uuid(pointer: str, text: str) -> str:
    return canonical_uuid(text) or _reject(pointer, "not a UUID of 36 characters")


def _purchase(purchase: Purchase) -> tuple[int, str]:
    """Read a purchase: units of 1/10,000 and the currency."""
    if not is_currency(purchase.currency):
        _reject("/purchase/currency", "not three letters A to Z")
    text = bytes(purchase.value).decode()
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)
    try:
        return units_of(text), purchase.currency
    except ValueError as error:
        _reject("/purchase/value", str(error))


def _reject(pointer: str, detail: str) -> NoReturn:
    raise _RejectionError(pointer, detail)


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


_PATH: Final = re.compile(r" - at `\$(.*)`$")


def _diagnose(raw: bytes, error: Exception) -> WireEvent | Rejection:
    """Tell text that is no JSON from JSON that is no event; decode events that only an unknown field made undecodable."""
    try:
        # Integers stay text: Python refuses to read thousands of digits, which are JSON all the same.
        value: object = json.loads(raw.decode(), parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except RecursionError:
        return Rejection("invalid_event", "nested too deeply")
    except ValueError as reason:
        return Rejection("invalid_json", str(reason))
    if not isinstance(value, dict):
        return Rejection("invalid_event", "not a JSON object")
    if type(error) is not msgspec.ValidationError and value.keys() - KNOWN_FIELDS:
        try:
            return _decode_known_fields(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as reason:
            error = reason
    text = str(error)
    path = _PATH.search(text)
    pointer = path[1].replace(".", "/") if path else ""
    return Rejection("invalid_event", text, pointer)


def _decode_known_fields(raw: bytes) -> WireEvent:
    """Decode an event without its unknown fields."""
    fields = json.loads(raw, parse_int=_Number, parse_float=_Number)
    known = {name: value for name, value in fields.items() if name in KNOWN_FIELDS}
    purchase = known.get("purchase")
    if isinstance(purchase, dict) and isinstance(purchase.get("value"), _Number):
        purchase["value"] = str(purchase["value"])  # the one number of an event; its text is as good
    wire: WireEvent = DECODER.decode(json.dumps(_zero_numbers(known), ensure_ascii=False).encode())
    return wire


class _Number(str):
    """A JSON number's text on its way through Python; it must not be read as a float."""

    __slots__ = ()


def _zero_numbers(value: object) -> object:
    """Turn all numbers to 0 where any number makes the decoder refuse the event."""
    if isinstance(value, dict):
        return {name: _zero_numbers(inner) for name, inner in value.items()}
    return 0 if isinstance(value, _Number) else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
