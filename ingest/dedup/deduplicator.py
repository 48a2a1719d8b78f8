"""The deduplicator of a partition. Pure: `look_up.lua` reads the ids, the commit adds them.

An id is stored as a keyed 64-bit hash of organization and id. Redis keeps a set of integers as a sorted array of 8 bytes each as
long as it has at most 512 members (`set-max-intset-entries`), where a general set takes 60 bytes or more. So ids are spread over
many small sets:

    sd:{p}:ids:<generation>:<layer>:<n>       n = hash mod the layer's number of sets

* A *generation* lasts as long as ids must be known (24 hours) and is read during the next one, then it expires: an id is known
  for 24 to 48 hours, at the price of two look-ups.
* A *layer* is full when its sets hold 440 ids on average, at which one in a thousand is over 512; the next has 8 times as many
  sets. One layer holds 110,000 ids of a partition, two a million, three 8 million.

The ids of a generation have *positions*, which decide on their layers. A generation begins at the layer that the one before ended
with, because each layer costs each look-up a command: its first id has the first position of that layer. The cursor holds the
positions of the next id (`ids:<generation>`) and, beyond 0, of the first one (`first_id:<generation>`). A worker of a version that
reads the former alone looks into all layers up to that one, so it misses none.

Each layer costs each look-up a command, which searches two places that no cache of the processor holds. So the owner has filters of
the ids beyond the first layer (see `id_filters.py`), and asks only for ids that a filter may hold. Nearly all new ids are in none.
"""

from collections.abc import Sequence

from sidedata.calendar.levels import SLACK_SECONDS
from sidedata.ingest.dedup.id_filters import FilterMemory, IdFilters
from sidedata.operations import Operations
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import IdPositions, id_fields

_FIRST_SETS = 256
_GROWTH = 8
_FILL = 440


def layer_sets(layer: int) -> int:
    """The number of sets of a layer."""
    return _FIRST_SETS * int(_GROWTH**layer)


def first_position(layer: int) -> int:
    """The position of the first id of a layer: the capacity of the layers before it."""
    return sum(layer_sets(before) for before in range(layer)) * _FILL


def layer_of(position: int) -> int:
    """The layer of the id at a position."""
    layer = 0
    while position >= first_position(layer + 1):
        layer += 1
    return layer


class Deduplicator:
    """The ids of applied events of one partition.

    Args:
        hours: length of a generation.
        positions: positions of the ids in each generation.
        memory: for filters, of the process.
    """

    def __init__(self, keyspace: Keyspace, hours: int, positions: dict[int, IdPositions], memory: FilterMemory) -> None:
        self._keyspace = keyspace
        self._length_ms = hours * 3_600_000
        self._positions = positions
        self.filters = IdFilters(keyspace, memory, first_position(1), positions)

    def generation(self, now_ms: int) -> int:
        """The generation that ids are added to."""
        return now_ms // self._length_ms

    def end_ms(self, now_ms: int) -> int:
        """The end of the generation of that time."""
        return (self.generation(now_ms) + 1) * self._length_ms

    def queries(self, hashes: Sequence[int]) -> list[str | int]:
        """Every set that may hold one of these hashes, as `look_up.lua` takes them: key, number of hashes, and these as text."""
        queries: list[str | int] = []
        for generation, positions in self._positions.items():
            possible = self.filters.possible(generation, hashes)
            for layer in range(layer_of(positions.first), layer_of(positions.next) + 1):
                prefix = self._keyspace.ids(generation, layer)
                for index, members in _by_set(possible if layer else hashes, layer).items():
                    queries += (f"{prefix}{index}", len(members), *members)
        return queries

    def add(self, operations: Operations, hashes: Sequence[int], now_ms: int) -> None:
        """Add new ids to a commit, and delete the positions of generations that are not read any more."""
        if not hashes:
            return
        generation = self.generation(now_ms)
        positions = self._positions_of(generation)
        prefix = self._keyspace.ids(generation, layer := layer_of(positions.next))
        expiry = (generation + 2) * self._length_ms // 1000 + SLACK_SECONDS
        for index, members in _by_set(hashes, layer).items():
            operations.add_members(f"{prefix}{index}", members, expiry)
        if generation not in self._positions:
            self.filters.begin(generation)
        self.filters.add(operations, generation, positions.next, hashes, expiry)
        cursor = self._keyspace.cursor
        first_field, next_field = id_fields(generation)
        increments = {next_field: len(hashes)}
        if positions.first and not positions.number:  # the generation begins
            increments = {first_field: positions.first, next_field: positions.first + len(hashes)}
        operations.increment(cursor, increments, 0)
        expired = [field for g in self._positions if g < generation - 1 for field in id_fields(g)]
        if expired:
            operations.delete_fields(cursor, expired)

    def record(self, hashes: Sequence[int], now_ms: int, *, appended: bool) -> None:
        """Move on by the ids of a commit that succeeded; `appended` tells if it could append to the fingerprints."""
        generation = self.generation(now_ms)
        positions = self._positions_of(generation)
        self._positions = {g: at for g, at in self._positions.items() if g >= generation - 1}
        self.filters.forget(generation - 1)
        self.filters.record(generation, positions.next, hashes, appended=appended)
        if hashes:
            self._positions[generation] = IdPositions(positions.first, positions.next + len(hashes))

    def _positions_of(self, generation: int) -> IdPositions:
        """The positions of a generation, where it begins those of its first id."""
        positions = self._positions.get(generation)
        if positions is None:
            before = self._positions.get(generation - 1)
            first = 0 if before is None else first_position(layer_of(before.number))
            positions = IdPositions(first, first)
        return positions


def _by_set(hashes: Sequence[int], layer: int) -> dict[int, list[str]]:
    """Group hashes, as text, by the index of their set in a layer."""
    sets = layer_sets(layer)
    groups: dict[int, list[str]] = {}
    for value in hashes:
        group = groups.get(index := value % sets)
        if group is None:
            groups[index] = [str(value)]
        else:
            group.append(str(value))
    return groups
