"""The ids of applied events: which were here before. Planning only; `remembered.lua` looks, the commit adds.

An id is remembered as a keyed 64-bit hash of organization and id. Redis keeps a set of integers as a sorted array of 8 bytes
each as long as it has at most 512 members (`set-max-intset-entries`), where a general set takes 60 bytes or more. So ids are
spread over many small sets:

    sd:{p}:ids:<generation>:<layer>:<n>       n = hash mod the layer's number of sets

* A *generation* lasts as long as ids must be remembered (24 hours) and is looked into during the next one, then it expires:
  an id is known for 24 to 48 hours, at the price of two look-ups.
* A *layer* is full when its sets hold 440 ids on average, at which one in a thousand is over 512; the next has 8 times as many
  sets. One layer holds 110,000 ids of a partition, two a million, three 8 million. The cursor counts them (`ids:<generation>`).
"""

from collections.abc import Sequence

from sidedata.calendar.levels import SLACK_SECONDS
from sidedata.operations import Operations
from sidedata.schema import keys

_FIRST_SETS = 256
_GROWTH = 8
_FILL = 440


def layer_sets(layer: int) -> int:
    """The number of sets of a layer."""
    return _FIRST_SETS * int(_GROWTH**layer)


def layer_of(count: int) -> int:
    """The layer that the next id goes to when a generation holds `count` of them."""
    layer, capacity = 0, layer_sets(0) * _FILL
    while count >= capacity:
        layer += 1
        capacity += layer_sets(layer) * _FILL
    return layer


class Remembered:
    """The remembered ids of one partition, as its owner sees them."""

    def __init__(self, partition: int, hours: int, counts: dict[int, int]) -> None:
        self._partition = partition
        self._length_ms = hours * 3_600_000
        self.counts = counts  # by generation

    def generation(self, now_ms: int) -> int:
        """The generation that ids are added to."""
        return now_ms // self._length_ms

    def ends_ms(self, now_ms: int) -> int:
        """When the generation of that time ends."""
        return (self.generation(now_ms) + 1) * self._length_ms

    def questions(self, hashes: Sequence[int]) -> list[tuple[str, list[str]]]:
        """Every set that may hold one of these hashes, with those that it may hold, as `recall.lua` takes them."""
        asked: list[tuple[str, list[str]]] = []
        for generation, layer in [
            (g, layer) for g, count in self.counts.items() for layer in range(layer_of(count) + 1)
        ]:
            sets = layer_sets(layer)
            prefix = keys.ids(self._partition, generation, layer)
            groups: dict[int, list[int]] = {}
            for value in hashes:
                groups.setdefault(value % sets, []).append(value)
            asked += [(f"{prefix}{place}", list(map(str, members))) for place, members in groups.items()]
        return asked

    def add(self, operations: Operations, hashes: list[int], now_ms: int) -> None:
        """Hand new ids to the commit, and forget about generations that nobody looks into any more."""
        if not hashes:
            return
        generation = self.generation(now_ms)
        layer = layer_of(self.counts.get(generation, 0))
        sets = layer_sets(layer)
        prefix = keys.ids(self._partition, generation, layer)
        expiry = (generation + 2) * self._length_ms // 1000 + SLACK_SECONDS
        groups: dict[int, list[int]] = {}
        for value in hashes:
            groups.setdefault(value % sets, []).append(value)
        for place, members in groups.items():
            operations.remember(f"{prefix}{place}", members, expiry)
        cursor = keys.cursor(self._partition)
        operations.add(cursor, {f"ids:{generation}": len(hashes)}, 0)
        old = [f"ids:{g}" for g in self.counts if g < generation - 1]
        if old:
            operations.drop(cursor, old)

    def added(self, count: int, now_ms: int) -> None:
        """The commit went through."""
        generation = self.generation(now_ms)
        self.counts = {g: n for g, n in self.counts.items() if g >= generation - 1}
        if count:
            self.counts[generation] = self.counts.get(generation, 0) + count
