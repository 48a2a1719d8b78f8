"""The commands that build days from their hours, in the keys of a shadow, and that lengthen the life of these hours."""

from collections.abc import Mapping, Sequence
from typing import Final

from sidedata.batched import batched
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Command, Word
from sidedata.redis.scripts import script

# Sketches to one batch, which Redis runs without a pause: a dense one takes up to 40 µs.
_MOST_SOURCES: Final = 200
_DENSE_UNIONS: Final = script("dense_unions")
_BATCH: Final = 250


async def merge_sketches(gateway: Gateway, merges: Sequence[tuple[str, Sequence[str]]], expiry: int) -> None:
    """Write unions of sketches, each given as its key and the keys that it is made of.

    Args:
        expiry: of the new keys, in seconds since the epoch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    some: list[tuple[str, Sequence[str]]] = []
    sources = 0
    for merge in merges:
        if some and sources + len(merge[1]) > _MOST_SOURCES:
            await _merge(gateway, some, expiry)
            some, sources = [], 0
        some.append(merge)
        sources += len(merge[1])
    if some:
        await _merge(gateway, some, expiry)


async def _merge(gateway: Gateway, merges: Sequence[tuple[str, Sequence[str]]], expiry: int) -> None:
    names = [name for key, parts in merges for name in (key, *parts)]
    await gateway.call(_DENSE_UNIONS, names, [expiry, *(len(parts) for _, parts in merges)])
    batch: list[Command] = []
    for key, parts in merges:
        batch += [("PFMERGE", key, *parts), ("EXPIREAT", key, expiry)]
    await gateway.batch(batch)


async def write_counts(gateway: Gateway, counts: Mapping[str, Mapping[str, int]], expiry: int) -> None:
    """Write hashes of exact counts by their keys; `expiry` is theirs, in seconds since the epoch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    commands: list[Command] = []
    for key, fields in counts.items():
        words: list[Word] = [word for pair in fields.items() for word in pair]
        commands += [("HSET", key, *words), ("EXPIREAT", key, expiry)]
    await _run(gateway, commands)


async def lengthen(gateway: Gateway, expiries: Sequence[tuple[str, int]]) -> None:
    """Set the expiries of keys, in seconds since the epoch; a missing key stays missing.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await _run(gateway, [("EXPIREAT", key, expiry) for key, expiry in expiries])


async def drop(gateway: Gateway, keys: Sequence[str]) -> None:
    """Delete keys of a shadow.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await _run(gateway, [("UNLINK", key) for key in keys])


async def _run(gateway: Gateway, commands: Sequence[Command]) -> None:
    for batch in batched(commands, _BATCH):
        await gateway.batch(batch)
