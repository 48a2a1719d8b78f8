"""Batches of items: `itertools.batched`, which Python has from 3.12 on, with lists. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Divide items into lists of `size`; the last may be shorter, and none is empty."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
