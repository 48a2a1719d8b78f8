"""The decoding of stream entries: each position in an entry becomes an event or a dead letter. Pure.

An entry carries `event` (one JSON object) or `events` (an array of up to 1,000). Each mistake becomes a `DeadLetter`, which holds
the bytes as they came; the events beside it are applied.
"""

from collections.abc import Sequence
from typing import Any

from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import AHEAD_US, MAX_ENTRY_EVENTS, decode_into
from sidedata.events.json_array import split_array
from sidedata.events.rejection import IN_FUTURE, Rejection
from sidedata.ingest.apply.model import StreamEvent
from sidedata.schema.keys import partition_of

LATEST_US = (
    253_402_041_600_000_000  # 9999-12-29: an entry's id can lie beyond the last day that has a local time in every zone
)


class EntryDecoder:
    """Decodes entries of one partition, in order.

    Attributes:
        events: the events of all entries so far.
        dead_letters: those of the mistakes among them.
    """

    def __init__(self, partition: int, partitions: int) -> None:
        self.events: list[StreamEvent] = []
        self.dead_letters: list[DeadLetter] = []
        self._partition = partition
        self._partitions = partitions
        self._ms_prefix = (
            " "  # of the last entry, as text with the hyphen behind it: many entries share their millisecond
        )
        self._entry_ms = 0
        self._latest_us = 0

    @property
    def count(self) -> int:
        """The number of positions so far."""
        return len(self.events) + len(self.dead_letters)

    def read_until(self, entries: Sequence[Sequence[Any]], first: int, count: int) -> int:
        """Decode entries until there are `count` positions, or to the last entry; returns the index of the next one.

        Args:
            entries: id and fields of each, as a tuple or, as Redis's reply has it, a list.
            first: the index of the first one to decode.
        """
        index = first
        while index < len(entries) and self.count < count:
            entry, fields = entries[index]
            self.read(entry.decode(), fields)
            index += 1
        return index

    def read(self, entry: str, fields: Sequence[bytes]) -> None:
        """Decode one entry.

        Args:
            fields: names and values in turn, as Redis stores them; one name may occur twice.
        """
        if not entry.startswith(self._ms_prefix):
            ms, hyphen, _ = entry.partition("-")
            self._ms_prefix, self._entry_ms = ms + hyphen, int(ms)
            self._latest_us = min(self._entry_ms * 1000 + AHEAD_US, LATEST_US)
        if len(fields) == 2 and fields[0] == b"event":  # nearly all entries of single events
            self._read(fields[1], entry, 0)
            return
        names = fields[::2]
        singles, arrays = names.count(b"event"), names.count(b"events")
        if singles + arrays != 1:
            self.dead_letters.append(_malformed_entry(entry, fields, singles, arrays))
            return
        value = fields[2 * names.index(b"event" if singles else b"events") + 1]
        raws = [value] if singles else _split(value)
        if isinstance(raws, Rejection):
            self.dead_letters.append(DeadLetter.of(raws, entry, value))
            return
        for position, raw in enumerate(raws):
            self._read(raw, entry, position)

    def _read(self, raw: bytes, entry: str, position: int) -> None:
        """Decode the event at one position."""
        event = StreamEvent(entry, self._entry_ms, position, raw)
        rejection = decode_into(event, raw, None, self._entry_ms * 1000)
        if rejection is not None:
            self.dead_letters.append(DeadLetter.of(rejection, entry, raw))
            return
        home = partition_of(event.organization_id, self._partitions)
        if home != self._partition:
            rejection = Rejection("wrong_partition", f"the organization belongs to partition {home}")
            self.dead_letters.append(DeadLetter.of(rejection, entry, raw, decoded=event))
            return
        if event.at_us > self._latest_us:
            self.dead_letters.append(DeadLetter.of(IN_FUTURE, entry, raw, decoded=event))
            return
        self.events.append(event)


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
