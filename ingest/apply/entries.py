"""Stream entries: from what XREAD returned to events and faults, one for each place in the entry. Pure.

An entry carries `event` (one JSON object) or `events` (an array of up to 1,000). Everything that is wrong becomes a `Letter`,
which holds the bytes as they came; the neighbours go on.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from sidedata.events.decode import MAX_ENTRY_EVENTS, Event, Fault, decode_event
from sidedata.events.json_array import split_slowly
from sidedata.schema.keys import partition_of

AHEAD_US = 300_000_000  # an event may be 5 minutes ahead of its stream entry
LATEST_US = (
    253_402_041_600_000_000  # 9999-12-29: an entry's id can lie beyond the last day that local time can be told of
)

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Arrival(Struct, gc=False):
    """An event and how it came: its entry's id and time, its place in the entry, its bytes."""

    event: Event
    entry: str
    entry_ms: int
    place: int
    raw: bytes


class Letter(Struct):
    """An event that can't be applied; `fields` are what its entry held beside, where it had a form of its own."""

    fault: Fault
    entry: str
    raw: bytes
    fields: Sequence[bytes] = ()  # name, value, …


def read_entry(
    entry: str, fields: Sequence[bytes], partition: int, partitions: int
) -> tuple[list[Arrival], list[Letter]]:
    """The events of one entry, in order, and what is wrong with the others.

    Args:
        fields: names and values in turn, as Redis keeps them; one name may come twice.
    """
    entry_ms = int(entry.partition("-")[0])
    if len(fields) == 2 and fields[0] == b"event":  # as nearly all are that come one by one
        one = _read(fields[1], entry, entry_ms, 0, partition, partitions)
        return ([one], []) if type(one) is Arrival else ([], [one])  # type: ignore[list-item] # it is one of the two
    names = fields[::2]
    singles, arrays = names.count(b"event"), names.count(b"events")
    if singles + arrays != 1:
        return [], [_formless(entry, fields, singles, arrays)]
    value = fields[2 * names.index(b"event" if singles else b"events") + 1]
    if singles:
        raws = [value]
    else:
        split = _split(value)
        if isinstance(split, Fault):
            return [], [Letter(split, entry, value)]
        raws = split
    arrivals: list[Arrival] = []
    letters: list[Letter] = []
    for place, raw in enumerate(raws):
        one = _read(raw, entry, entry_ms, place, partition, partitions)
        if type(one) is Arrival:
            arrivals.append(one)
        else:
            letters.append(one)  # type: ignore[arg-type] # it is one of the two
    return arrivals, letters


def _read(raw: bytes, entry: str, entry_ms: int, place: int, partition: int, partitions: int) -> Arrival | Letter:
    """The event at one place, or what is wrong with it."""
    decoded = decode_event(raw)
    if type(decoded) is Event:
        home = partition_of(decoded.organization_id, partitions)
        if home != partition:
            return Letter(Fault("wrong_partition", f"the organization belongs to partition {home}"), entry, raw)
        if decoded.at_us > min(entry_ms * 1000 + AHEAD_US, LATEST_US):
            fault = Fault("in_future", "more than 5 minutes ahead of its stream entry", "/timestamp")
            return Letter(fault, entry, raw)
        return Arrival(decoded, entry, entry_ms, place, raw)
    assert isinstance(decoded, Fault)  # noqa: S101 - an event went back above
    return Letter(decoded, entry, raw)


def _formless(entry: str, fields: Sequence[bytes], singles: int, arrays: int) -> Letter:
    """The letter of an entry that doesn't carry its events in just one field."""
    rest = list(fields)
    if not singles and not arrays:
        return Letter(Fault("invalid_event", "the entry has neither `event` nor `events`"), entry, b"", rest)
    first = b"event" if singles else b"events"
    at = 2 * rest[::2].index(first)
    _, value = rest[at : at + 2]
    del rest[at : at + 2]
    what = "both `event` and `events`" if singles and arrays else f"`{first.decode()}` more than once"
    return Letter(Fault("invalid_event", f"the entry has {what}"), entry, value, rest)


def _split(events: bytes) -> list[bytes] | Fault:
    """The elements of a JSON array, as they came."""
    try:
        events.decode()
        raws = [bytes(raw) for raw in _ARRAY.decode(events)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        split = split_slowly(events)
        if isinstance(split, Fault):
            return split
        raws = split
    if len(raws) > MAX_ENTRY_EVENTS:
        return Fault("invalid_event", f"`events` holds {len(raws)} events, {MAX_ENTRY_EVENTS} are allowed")
    return raws
