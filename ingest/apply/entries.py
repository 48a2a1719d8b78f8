"""The decoding of stream entries: each position in an entry becomes an event or a dead letter. Pure.

An entry carries `event` (one JSON object) or `events` (an array of up to 1,000). Each mistake becomes a `DeadLetter`, which holds
the bytes as they came; the events beside it are applied.
"""

from collections.abc import Sequence

from msgspec import Struct

from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import AHEAD_US, MAX_ENTRY_EVENTS, Event, decode_event
from sidedata.events.json_array import split_array
from sidedata.events.rejection import IN_FUTURE, Rejection
from sidedata.schema.keys import partition_of

LATEST_US = (
    253_402_041_600_000_000  # 9999-12-29: an entry's id can lie beyond the last day that has a local time in every zone
)


class StreamEvent(Struct, gc=False):
    """An event and its origin: its entry's id and time, its position in the entry, its bytes."""

    event: Event
    entry: str
    entry_ms: int
    position: int
    raw: bytes


def read_entry(
    entry: str, fields: Sequence[bytes], partition: int, partitions: int
) -> tuple[list[StreamEvent], list[DeadLetter]]:
    """Decode one entry: its events in order, and dead letters of the others.

    Args:
        fields: names and values in turn, as Redis stores them; one name may occur twice.
    """
    entry_ms = int(entry.partition("-")[0])
    if len(fields) == 2 and fields[0] == b"event":  # nearly all entries of single events
        result = _read(fields[1], entry, entry_ms, 0, partition, partitions)
        return ([result], []) if type(result) is StreamEvent else ([], [result])  # type: ignore[list-item] # it is one of the two
    names = fields[::2]
    singles, arrays = names.count(b"event"), names.count(b"events")
    if singles + arrays != 1:
        return [], [_malformed_entry(entry, fields, singles, arrays)]
    value = fields[2 * names.index(b"event" if singles else b"events") + 1]
    if singles:
        raws = [value]
    else:
        elements = _split(value)
        if isinstance(elements, Rejection):
            return [], [DeadLetter.of(elements, entry, value)]
        raws = elements
    events: list[StreamEvent] = []
    dead_letters: list[DeadLetter] = []
    for position, raw in enumerate(raws):
        result = _read(raw, entry, entry_ms, position, partition, partitions)
        if type(result) is StreamEvent:
            events.append(result)
        else:
            dead_letters.append(result)  # type: ignore[arg-type] # it is one of the two
    return events, dead_letters


def _read(
    raw: bytes, entry: str, entry_ms: int, position: int, partition: int, partitions: int
) -> StreamEvent | DeadLetter:
    """Decode the event at one position."""
    decoded = decode_event(raw, None, entry_ms * 1000)
    if type(decoded) is Event:
        home = partition_of(decoded.organization_id, partitions)
        if home != partition:
            rejection = Rejection("wrong_partition", f"the organization belongs to partition {home}")
            return DeadLetter.of(rejection, entry, raw, decoded=decoded)
        if decoded.at_us > min(entry_ms * 1000 + AHEAD_US, LATEST_US):
            return DeadLetter.of(IN_FUTURE, entry, raw, decoded=decoded)
        return StreamEvent(decoded, entry, entry_ms, position, raw)
    assert isinstance(decoded, Rejection)  # noqa: S101 - an event was returned above
    return DeadLetter.of(decoded, entry, raw)


def _malformed_entry(entry: str, fields: Sequence[bytes], singles: int, arrays: int) -> DeadLetter:
    """The dead letter of an entry that doesn't carry its events in exactly one field."""
    rest = list(fields)
    if not singles and not arrays:
        rejection = Rejection("invalid_event", "the entry has neither `event` nor `events`")
        return DeadLetter.of(rejection, entry, b"", rest)
    name = b"event" if singles else b"events"
    at = 2 * rest[::2].index(name)
    _, value = rest[at : at + 2]
    del rest[at : at + 2]
    content = "both `event` and `events`" if singles and arrays else f"`{name.decode()}` more than once"
    return DeadLetter.of(Rejection("invalid_event", f"the entry has {content}"), entry, value, rest)


def _split(value: bytes) -> list[bytes] | Rejection:
    """Split the value of `events` into its elements, byte for byte."""
    raws = split_array(value, MAX_ENTRY_EVENTS)
    if isinstance(raws, Rejection):
        return raws if raws.reason == "invalid_json" else Rejection(raws.reason, f"`events`: {raws.detail}")
    if len(raws) > MAX_ENTRY_EVENTS:
        return Rejection("invalid_event", f"`events` holds more than {MAX_ENTRY_EVENTS} events")
    return raws
