"""Visitor events: from the bytes of one JSON object to an `Event`, or to the `Fault` that says what is wrong with it.

Decoding is strict about what the contract names and blind to the rest: unknown fields are skipped, because producers may be
newer than we are. The common path is one pass of a prepared msgspec decoder; only what it refuses is looked at again, slowly,
to tell text that is no JSON from JSON that is no event.
"""

import json
import re
from typing import Annotated, Any, Final, Literal, NoReturn

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sidedata.events.money import is_currency, units_of
from sidedata.events.timestamps import microseconds

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
EventType = Literal["page_view", "workflow_started", "interaction", "goal_triggered", "goal_reached"]

# The kind of workflow that events of a type belong to.
KIND_OF: Final[dict[EventType, Kind]] = {
    "page_view": "page_navigation",
    "workflow_started": "interaction",
    "interaction": "interaction",
    "goal_triggered": "interaction",
    "goal_reached": "interaction",
}

Id = Annotated[str, Meta(min_length=1, max_length=256)]
EventId = Annotated[str, Meta(min_length=1, max_length=128)]
GoalName = Annotated[str, Meta(min_length=1, max_length=200)]


class Fault(Struct, frozen=True):
    """Why an event can't be applied: the dead letter's reason, a sentence, and where (a JSON pointer, "" for all of it)."""

    reason: Reason
    detail: str
    pointer: str = ""


class Event(Struct, gc=False):
    """An event with everything read: ids lowercase, time in microseconds since the epoch, money in units of 1/10,000."""

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


class _Goal(Struct):
    uuid: str
    name: GoalName


class _Purchase(Struct):
    value: Raw
    currency: str


class _Wire(Struct, kw_only=True, tag_field="type"):
    organization_id: str
    visitor_id: Id
    session_id: Id
    timestamp: str
    id: EventId | UnsetType = UNSET


class _PageView(_Wire, tag="page_view", kw_only=True):
    workflow_id: str


class _WorkflowStarted(_Wire, tag="workflow_started", kw_only=True):
    workflow_id: str


class _Interaction(_Wire, tag="interaction", kw_only=True):
    workflow_id: str


class _GoalTriggered(_Wire, tag="goal_triggered", kw_only=True):
    workflow_id: str
    goal: _Goal


class _GoalReached(_Wire, tag="goal_reached", kw_only=True):
    goal: _Goal
    purchase: _Purchase | UnsetType = UNSET
    workflow_id: Raw | UnsetType = UNSET


_AnyWire = _PageView | _WorkflowStarted | _Interaction | _GoalTriggered | _GoalReached
_DECODER: Final = msgspec.json.Decoder(_AnyWire)
_TYPES: Final[dict[type[Struct], EventType]] = {
    _PageView: "page_view",
    _WorkflowStarted: "workflow_started",
    _Interaction: "interaction",
    _GoalTriggered: "goal_triggered",
    _GoalReached: "goal_reached",
}
# What events consist of; the rest is unknown and ignored whatever it holds.
KNOWN_FIELDS: Final = frozenset(
    {"type", "id", "organization_id", "workflow_id", "visitor_id", "session_id", "timestamp", "goal", "purchase"}
)


class _FaultError(Exception):
    def __init__(self, pointer: str, detail: str) -> None:
        self.fault = Fault("invalid_event", f"{pointer}: {detail}" if pointer else detail, pointer)


def decode_event(raw: bytes, organization_id: str | None = None) -> Event | Fault:
    """Read one event.

    Args:
        raw: the bytes of one JSON object, without what stood around it.
        organization_id: who must be in it, in lower case; None takes anybody.
    """
    if len(raw) > MAX_EVENT_BYTES:
        return Fault("too_large", f"the event has {len(raw)} bytes, {MAX_EVENT_BYTES} are allowed")
    try:
        # msgspec steps over unknown strings without looking inside, so the encoding is checked here.
        if not raw.isascii():
            raw.decode()
        wire = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        second = _second_look(raw, error)
        if isinstance(second, Fault):
            return second
        wire = second
    try:
        return _read(wire, organization_id)
    except _FaultError as error:
        return error.fault


def _read(wire: _AnyWire, organization_id: str | None) -> Event:
    # What an event repeats of its predecessors is looked up right here: this runs for every one of them.
    organization = _uuids.get(wire.organization_id) or _uuid("/organization_id", wire.organization_id)
    if organization_id is not None and organization != organization_id:
        _fail("/organization_id", "another organization than the path's")
    try:
        at_us = microseconds(wire.timestamp)
    except ValueError as error:
        _fail("/timestamp", str(error))
    kind = type(wire)
    event_id = None if wire.id is UNSET else wire.id
    event = Event(_TYPES[kind], organization, None, wire.visitor_id, wire.session_id, at_us, event_id)
    if kind is _GoalReached:
        assert isinstance(wire, _GoalReached)  # noqa: S101 - for the type checker
        if wire.workflow_id is not UNSET:
            _fail("/workflow_id", "goal_reached belongs to no workflow")
        if wire.purchase is not UNSET:
            event.units, event.currency = _purchase(wire.purchase)
    else:
        workflow_id = wire.workflow_id
        assert isinstance(workflow_id, str)  # noqa: S101 - only goal_reached declares anything else
        event.workflow_id = _uuids.get(workflow_id) or _uuid("/workflow_id", workflow_id)
    if kind is _GoalReached or kind is _GoalTriggered:
        assert isinstance(wire, _GoalReached | _GoalTriggered)  # noqa: S101 - for the type checker
        event.goal_id = _uuid("/goal/uuid", wire.goal.uuid)
        event.goal_name = wire.goal.name
    return event


def _uuid(pointer: str, text: str) -> str:
    return canonical_uuid(text) or _fail(pointer, "not a UUID of 36 characters")


def _purchase(purchase: _Purchase) -> tuple[int, str]:
    """Units of 1/10,000 and the currency."""
    if not is_currency(purchase.currency):
        _fail("/purchase/currency", "not three letters A to Z")
    text = bytes(purchase.value).decode()
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)
    try:
        return units_of(text), purchase.currency
    except ValueError as error:
        _fail("/purchase/value", str(error))


def _fail(pointer: str, detail: str) -> NoReturn:
    raise _FaultError(pointer, detail)


_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_REMEMBERED_UUIDS: Final = 50_000
_uuids: dict[str, str] = {}


def canonical_uuid(text: str) -> str | None:
    """The UUID in lower case; None if the text is none. A producer's events repeat few of them, so they are remembered."""
    known = _uuids.get(text)
    if known is not None:
        return known
    if not _UUID.fullmatch(text):
        return None
    if len(_uuids) >= _REMEMBERED_UUIDS:
        _uuids.clear()
    return _uuids.setdefault(text, text.lower())


_PATH: Final = re.compile(r" - at `\$(.*)`$")


def _second_look(raw: bytes, error: Exception) -> "_AnyWire | Fault":
    """Tell no JSON from no event, and save events that only an unknown field made undecodable."""
    try:
        # Integers stay text: Python refuses to read thousands of digits, which are JSON all the same.
        value: Any = json.loads(raw.decode(), parse_int=str, parse_float=str, parse_constant=_no_constant)
    except RecursionError:
        return Fault("invalid_event", "nested too deeply")
    except ValueError as reason:
        return Fault("invalid_json", str(reason))
    if not isinstance(value, dict):
        return Fault("invalid_event", "not a JSON object")
    if type(error) is not msgspec.ValidationError and value.keys() - KNOWN_FIELDS:
        try:
            return _without_unknown(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as reason:
            error = reason
    text = str(error)
    path = _PATH.search(text)
    pointer = path[1].replace(".", "/") if path else ""
    return Fault("invalid_event", text, pointer)


def _without_unknown(raw: bytes) -> "_AnyWire":
    """Decode once more what is left when unknown fields are taken out."""
    fields = json.loads(raw, parse_int=_Number, parse_float=_Number)
    known = {name: value for name, value in fields.items() if name in KNOWN_FIELDS}
    purchase = known.get("purchase")
    if isinstance(purchase, dict) and isinstance(purchase.get("value"), _Number):
        purchase["value"] = str(purchase["value"])  # the one number of an event; its text is as good
    wire: _AnyWire = _DECODER.decode(json.dumps(_numbers(known), ensure_ascii=False).encode())
    return wire


class _Number(str):
    """A JSON number's text on its way through Python; it must not be read as a float."""

    __slots__ = ()


def _numbers(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Numbers as numbers again, where the decoder refuses every one of them."""
    if isinstance(value, dict):
        return {name: _numbers(inner) for name, inner in value.items()}
    return 0 if isinstance(value, _Number) else value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
