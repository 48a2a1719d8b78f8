"""Reads of a partition's streams: entries of the ingest stream, and dead letters."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, cast

from sidedata.events.dead_letter import DeadLetter, parse
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Entry, Word, array, entries, optional_strings, optional_text
from sidedata.schema.keys import Keyspace


async def read_entries(
    gateway: Gateway, keyspace: Keyspace, after: str, most: int, block_ms: int | None = None
) -> list[Entry]:
    """Read at most `most` entries after an id, in order; waits up to `block_ms` for the first one.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    block: tuple[Word, ...] = () if block_ms is None else ("BLOCK", block_ms)
    streams = array(await gateway.command("XREAD", "COUNT", most, *block, "STREAMS", keyspace.events, after))
    if not streams:
        return []
    # A check of every string would cost 2 % of the time that a batch takes.
    return [cast("Entry", entry) for entry in array(array(streams[0])[1])]


async def stream_pages(gateway: Gateway, stream: str, size: int) -> AsyncIterator[list[Entry]]:
    """Read a stream from its oldest entry to its newest, in pages of at most `size`; the last page may be empty.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    first = "-"
    while True:
        page = entries(await gateway.command("XRANGE", stream, first, "+", "COUNT", size))
        yield page
        if len(page) < size:
            return
        first = "(" + page[-1][0].decode()


async def dead_letters_before(
    gateway: Gateway, keyspace: Keyspace, last: str, most: int, first: str = "-"
) -> list[DeadLetter]:
    """Read at most `most` dead letters of a partition, newest first.

    Args:
        last: the id of the newest one in its stream; "(" before it excludes that one, "+" is the newest of all.
        first: the id of the oldest one likewise; "-" is the oldest of all.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    page = entries(await gateway.command("XREVRANGE", keyspace.dead, last, first, "COUNT", most))
    return [_dead_letter(keyspace, entry) for entry in page]


async def find_dead_letter(gateway: Gateway, keyspace: Keyspace, entry: str) -> DeadLetter | None:
    """Read a dead letter by its id in its stream; None if there is none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    page = entries(await gateway.command("XRANGE", keyspace.dead, entry, entry))
    return _dead_letter(keyspace, page[0]) if page else None


async def seen_dead_letter(gateway: Gateway, keyspace: Keyspace) -> tuple[int, int]:
    """Read the id of the newest dead letter that was marked as seen; (0, 0) for none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    stored = optional_text(await gateway.command("HGET", keyspace.cursor, "dead_seen")) or "0-0"
    ms, _, sequence = stored.partition("-")
    return int(ms), int(sequence)


class IndexBounds(NamedTuple):
    """Stream ids in a partition: dead letters behind `newest` and up to `unindexed` may lack an index."""

    newest: str
    unindexed: str


async def read_index_bounds(gateway: Gateway, keyspaces: Sequence[Keyspace]) -> list[IndexBounds]:
    """Read which dead letters of partitions are in the indexes of their organizations.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    stored = await gateway.batch(
        [("HMGET", keyspace.cursor, "dead_indexed", "dead_unindexed") for keyspace in keyspaces]
    )
    return [IndexBounds(*((bound or b"0-0").decode() for bound in optional_strings(bounds))) for bounds in stored]


async def dead_letter_ids(
    gateway: Gateway, keyspace: Keyspace, organization: str, last: str, first: str, most: int
) -> list[str]:
    """Read the ids of at most `most` dead letters in an organization's index, newest first; some may be gone.

    Args:
        last: the id of the newest one in its stream; "(" before it excludes that one.
        first: the id of the oldest one likewise.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: the account may not read dead letters.
    """
    index = entries(await gateway.command("XREVRANGE", keyspace.dead_of(organization), last, first, "COUNT", most))
    return [f"{keyspace.partition}/{entry.decode()}" for entry, _ in index]


def _dead_letter(keyspace: Keyspace, entry: Entry) -> DeadLetter:
    return parse(f"{keyspace.partition}/{entry[0].decode()}", entry[1])
