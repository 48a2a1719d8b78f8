"""The filters of a partition's ids, by which its owner finds most new ids new without asking Redis. Pure.

All ids beyond the first layer (see `deduplicator.py`) are in filters, too. A filter holds the ids of one *segment*, 131,072
positions of a generation. The owner has the filters in memory, and Redis has them for the next owner:

    sd:{p}:ids:<generation>:fingerprints:<n>   segment n until it is full: 4 bytes an id, to which each commit appends its ids
    sd:{p}:ids:<generation>:filter:<n>         segment n once it is full: its filter, 2 bytes an id, in place of the fingerprints

A generation is *known* if its filters hold all of its ids: then an id that none of them holds is not in its sets. The positions in
the cursor prove it, because every commit that adds ids moves them, whichever version the worker has: each full segment must have
its filter, and the last one exactly as many fingerprints as ids. A generation is unknown if an older version owned the partition
in between, if a key is gone, or if the account has no right to APPEND. It stays unknown: nothing is appended to it any more, so the
numbers never become equal again. Its ids are looked up in its sets.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from sidedata.operations import Operations
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import FINGERPRINT_BYTES, IdPositions
from sidedata.settings import Settings

if TYPE_CHECKING:
    from sidedata.ingest.dedup.bloom import BloomFilters

_SEGMENT_IDS = 1 << 17
# Of a filter, beside 2 bytes an id: with Redis's headers it then fills a piece of its allocator, and no fifth more.
_SAVED_BYTES = 64


class FilterMemory:
    """The memory for filters, which the partitions of a process share.

    A generation that needs more becomes unknown.
    """

    def __init__(self, settings: Settings) -> None:
        self._most_bytes = settings.id_filters_mb << 20
        self._users: WeakSet[IdFilters] = WeakSet()  # a partition that is given up takes its filters along

    def join(self, user: "IdFilters") -> None:
        """Count the filters of a partition, too."""
        self._users.add(user)

    def is_full(self) -> bool:
        """Tell if there is no room for another filter."""
        return (sum(user.number for user in self._users) + 1) * _filter_size() > self._most_bytes


class _Segment(NamedTuple):
    """A segment as it must be stored: its key, and the number of bytes there."""

    generation: int
    number: int
    is_full: bool
    key: str
    size: int


class _Part(NamedTuple):
    """The ids of a commit that lie in one segment; the last ones of it if they fill it."""

    segment: int
    hashes: Sequence[int]
    fills: bool


class IdFilters:
    """The filters of one partition.

    Args:
        first: position of the first id that a filter holds.
        positions: positions of the ids in each generation.
    """

    def __init__(
        self, keyspace: Keyspace, memory: FilterMemory, first: int, positions: Mapping[int, IdPositions]
    ) -> None:
        self._keyspace = keyspace
        self._memory = memory
        self._first = first
        self._can_append = True
        self._stored = [segment for generation, at in positions.items() for segment in self._segments(generation, at)]
        stored = {segment.generation for segment in self._stored}
        # Known generations, None for one without ids in filters.
        self._known: dict[int, BloomFilters | None] = dict.fromkeys(positions.keys() - stored)
        memory.join(self)

    @property
    def number(self) -> int:
        """The number of filters in memory."""
        return sum(len(filters) for filters in self._known.values() if filters is not None)

    def stored_keys(self) -> list[str]:
        """The keys whose values `load` takes, before the first look-up; none once it was called."""
        return [segment.key for segment in self._stored]

    def load(self, values: Sequence[bytes | None]) -> None:
        """Take the values of `stored_keys`; generations with complete filters are known from now on."""
        stored = list(zip(self._stored, values, strict=True))
        self._stored = []
        for generation in {segment.generation for segment, _ in stored}:
            values_of = [(segment, value) for segment, value in stored if segment.generation == generation]
            filters = _bloom_filters()
            self._known[generation] = filters
            for segment, value in values_of:
                if value is None or len(value) != segment.size or self._memory.is_full():
                    del self._known[generation]
                    break
                filters.load(segment.number, value, is_filter=segment.is_full)

    def possible(self, generation: int, hashes: Sequence[int]) -> Sequence[int]:
        """The hashes that ids of the generation may have, beyond its first layer."""
        if generation not in self._known:
            return hashes
        filters = self._known[generation]
        return filters.possible(hashes) if filters is not None and hashes else ()

    def begin(self, generation: int) -> None:
        """Begin a generation, which has no ids yet."""
        if self._can_append:
            self._known.setdefault(generation, None)

    def add(self, operations: Operations, generation: int, position: int, hashes: Sequence[int], expiry: int) -> None:
        """Add new ids, the first one at that position, to a commit."""
        for part in self._parts(generation, position, hashes):
            filters = self._known[generation] or _bloom_filters()
            recent = self._keyspace.id_fingerprints(generation, part.segment)
            if part.fills:
                key = self._keyspace.id_filter(generation, part.segment)
                operations.replace(recent, key, filters.completed(part.segment, part.hashes), expiry)
            else:
                operations.append(recent, filters.fingerprints(part.hashes), expiry)

    def record(self, generation: int, position: int, hashes: Sequence[int], *, appended: bool) -> None:
        """Move on by the ids of a commit that succeeded."""
        if not appended:
            self._can_append = False
            self._known.clear()
        for part in self._parts(generation, position, hashes):
            filters = self._known[generation] = self._known[generation] or _bloom_filters()
            if part.segment not in filters and self._memory.is_full():
                del self._known[generation]
                return
            filters.add(part.segment, part.hashes)

    def forget(self, before: int) -> None:
        """Drop the filters of the generations before that one."""
        self._known = {generation: filters for generation, filters in self._known.items() if generation >= before}

    def _segments(self, generation: int, positions: IdPositions) -> Iterator[_Segment]:
        at = max(positions.first, self._first)
        while at < positions.next:
            number = at // _SEGMENT_IDS
            end = (number + 1) * _SEGMENT_IDS
            if end <= positions.next:
                yield _Segment(generation, number, True, self._keyspace.id_filter(generation, number), _filter_size())
            else:
                size = (positions.next - at) * FINGERPRINT_BYTES
                yield _Segment(generation, number, False, self._keyspace.id_fingerprints(generation, number), size)
            at = end

    def _parts(self, generation: int, position: int, hashes: Sequence[int]) -> Iterator[_Part]:
        """Cut new ids of a known generation by segments, without those of the first layer."""
        at = max(self._first - position, 0)
        while at < len(hashes) and generation in self._known:
            segment = (position + at) // _SEGMENT_IDS
            end = (segment + 1) * _SEGMENT_IDS - position
            yield _Part(segment, hashes[at:end], end <= len(hashes))
            at = end


def _filter_size() -> int:
    return _SEGMENT_IDS * 2 - _SAVED_BYTES


def _bloom_filters() -> "BloomFilters":
    from sidedata.ingest.dedup.bloom import BloomFilters  # noqa: PLC0415 - numpy, 28 MB that a worker of small partitions never needs

    return BloomFilters(_filter_size())
