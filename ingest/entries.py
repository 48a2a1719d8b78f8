"""Stream entries: from what XREAD returned to events and faults, one for each place in the entry. Pure.

An entry carries `event` (one JSON object) or `events` (an array of up to 1,000). Everything that is wrong becomes a `Letter`,
which holds the bytes as they came; the neighbours go on.
"""

import json
import re
from collections.abc import Mapping
from typing import NoReturn

import msgspec
from msgspec import Struct

from store.events import MAX_ENTRY_EVENTS, Event, Fault, decode_event
from store.keys import partition_of

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
    """An event that can't be applied; `fields` are what could not be told in one value (both forms at once, or neither)."""

    fault: Fault
    entry: str
    raw: bytes
    fields: Mapping[bytes, bytes] = {}


def read_entry(
    entry: str, fields: Mapping[bytes, bytes], partition: int, partitions: int
) -> tuple[list[Arrival], list[Letter]]:
    """The events of one entry, in order, and what is wrong with the others."""
    event, events = fields.get(b"event"), fields.get(b"events")
    if (event is None) == (events is None):
        detail = (
            "the entry has neither `event` nor `events`" if event is None else "the entry has both `event` and `events`"
        )
        return [], [Letter(Fault("invalid_event", detail), entry, event or b"", fields)]
    if event is not None:
        raws = [event]
    else:
        assert events is not None  # noqa: S101 - one of the two is there
        split = _split(events)
        if isinstance(split, Fault):
            return [], [Letter(split, entry, events)]
        raws = split
    entry_ms = int(entry.partition("-")[0])
    latest_us = min(entry_ms * 1000 + AHEAD_US, LATEST_US)
    arrivals: list[Arrival] = []
    letters: list[Letter] = []
    for place, raw in enumerate(raws):
        decoded = decode_event(raw)
        if isinstance(decoded, Event):
            if partition_of(decoded.organization_id, partitions) != partition:
                decoded = Fault(
                    "wrong_partition",
                    f"the organization belongs to partition {partition_of(decoded.organization_id, partitions)}",
                )
            elif decoded.at_us > latest_us:
                decoded = Fault("in_future", "more than 5 minutes ahead of its stream entry", "/timestamp")
            else:
                arrivals.append(Arrival(decoded, entry, entry_ms, place, raw))
                continue
        letters.append(Letter(decoded, entry, raw))
    return arrivals, letters


def _split(events: bytes) -> list[bytes] | Fault:
    """The elements of a JSON array, as they came."""
    try:
        events.decode()
        raws = [bytes(raw) for raw in _ARRAY.decode(events)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        split = _split_slowly(events)
        if isinstance(split, Fault):
            return split
        raws = split
    if len(raws) > MAX_ENTRY_EVENTS:
        return Fault("invalid_event", f"`events` holds {len(raws)} events, {MAX_ENTRY_EVENTS} are allowed")
    return raws


# What matters for telling where an element ends: strings as a whole, brackets, commas.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def _split_slowly(events: bytes) -> list[bytes] | Fault:
    """Split what the fast decoder refused: no array, no JSON, or an element that spoils it for its neighbours.

    Half a surrogate pair and deep nesting are such elements: JSON by its grammar, but nothing that the decoder steps over.
    """
    try:
        value = json.loads(events.decode(), parse_int=str, parse_constant=_no_constant)
    except RecursionError:
        value = None  # too deep to be checked; the element that is gets a letter of its own
    except ValueError as error:
        return Fault("invalid_json", str(error))
    body = events.strip(b" \t\r\n")
    if not (body.startswith(b"[") and body.endswith(b"]")):
        return Fault("invalid_event", "`events` is not an array")
    if value == []:
        return []
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(body):
        mark = token[0]
        depth += (mark in b"[{") - (mark in b"]}") if len(mark) == 1 else 0
        if (mark == b"," and depth == 1) or depth == 0:
            elements.append(body[start : token.start()].strip(b" \t\r\n"))
            start = token.end()
        if depth == 0:
            break
    # Brackets that don't pair up leave something over, and nobody can tell whose it is: all of it is one letter.
    return elements if start == len(body) else Fault("invalid_json", "the array's brackets don't pair up")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
