"""The deduplication of events by their ids. Pure: `look_up.lua` reads the ids, the commit adds them.

An id is stored as a keyed 64-bit hash of organization and id. Redis keeps a set of integers as a sorted array of 8 bytes each as
long as it has at most 512 members (`set-max-intset-entries`), where a general set takes 60 bytes or more. So ids are spread over
many small sets:

    sd:{p}:ids:<generation>:<layer>:<n>       n = hash mod the layer's number of sets

* A *generation* lasts as long as ids must be known (24 hours) and is read during the next one, then it expires: an id is known
  for 24 to 48 hours, at the price of two look-ups.
* A *layer* is full when its sets hold 440 ids on average, at which one in a thousand is over 512; the next has 8 times as many
  sets. One layer holds 110,000 ids of a partition, two a million, three 8 million. The cursor counts them (`ids:<generation>`).
"""

from collections.abc import Sequence

from sidedata.calendar.levels import SLACK_SECONDS
from sidedata.operations import Operations
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import id_count_field

_FIRST_SETS = 256
_GROWTH = 8
_FILL = 440


def layer_sets(layer: int) -> int:
    """The number of sets of a layer."""
    return _FIRST_SETS * int(_GROWTH**layer)


def layer_of(count: int) -> int:
    """The layer of the next id when a generation holds `count` of them."""
    layer, capacity = 0, layer_sets(0) * _FILL
    while count >= capacity:
        layer += 1
        capacity += layer_sets(layer) * _FILL
    return layer


class Deduplicator:
    """The ids of applied events of one partition.

    Args:
        hours: length of a generation.
        counts: number of ids in each generation.
    """

    def __init__(self, keyspace: Keyspace, hours: int, counts: dict[int, int]) -> None:
        self._keyspace = keyspace
        self._length_ms = hours * 3_600_000
        self._counts = counts

    def generation(self, now_ms: int) -> int:
        """The generation that ids are added to."""
        return now_ms // self._length_ms

    def end_ms(self, now_ms: int) -> int:
        """The end of the generation of that time."""
        return (self.generation(now_ms) + 1) * self._length_ms

    def queries(self, hashes: Sequence[int]) -> list[tuple[str, list[str]]]:
        """Every set that may hold one of these hashes, with the hashes that it may hold, as `look_up.lua` takes them."""
        queries: list[tuple[str, list[str]]] = []
        for generation, count in self._counts.items():
            for layer in range(layer_of(count) + 1):
                prefix = self._keyspace.ids(generation, layer)
                groups = _by_set(hashes, layer)
                queries += [(f"{prefix}{index}", list(map(str, members))) for index, members in groups.items()]
        return queries

    def add(self, operations: Operations, hashes: Sequence[int], now_ms: int) -> None:
        """Add new ids to a commit, and delete the counts of generations that are not read any more."""
        if not hashes:
            return
        generation = self.generation(now_ms)
        layer = layer_of(self._counts.get(generation, 0))
        prefix = self._keyspace.ids(generation, layer)
        expiry = (generation + 2) * self._length_ms // 1000 + SLACK_SECONDS
        for index, members in _by_set(hashes, layer).items():
            operations.add_members(f"{prefix}{index}", members, expiry)
        cursor = self._keyspace.cursor
        operations.increment(cursor, {id_count_field(generation): len(hashes)}, 0)
        expired = [id_count_field(g) for g in self._counts if g < generation - 1]
        if expired:
            operations.delete_fields(cursor, expired)

    def record(self, count: int, now_ms: int) -> None:
        """Count the ids of a commit that succeeded."""
        generation = self.generation(now_ms)
        self._counts = {g: n for g, n in self._counts.items() if g >= generation - 1}
        if count:
            self._counts[generation] = self._counts.get(generation, 0) + count


def _by_set(hashes: Sequence[int], layer: int) -> dict[int, list[int]]:
    """Group hashes by the index of their set in a layer."""
    sets = layer_sets(layer)
    groups: dict[int, list[int]] = {}
    for value in hashes:
        groups.setdefault(value % sets, []).append(value)
    return groups
