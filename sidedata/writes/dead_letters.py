"""Writes of dead letters: replay, deletion, and the rewrite of a partition's dead letters without those that a purge removes."""

from collections.abc import Sequence
from typing import Final

from sidedata.events.dead_letter import DeadLetter, with_entry_time
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Command, Entry, Word, integer
from sidedata.redis.scripts import script
from sidedata.schema.keys import Keyspace

_REPLAY: Final = script("replay")
_DROP: Final = script("drop_dead_letters")
_REPLACE: Final = script("replace_dead_letters")
_REWRITE_SECONDS: Final = 600  # the TTL of an unfinished copy


async def replay(gateway: Gateway, keyspace: Keyspace, dead_letter: DeadLetter) -> bool:
    """Append a dead letter's event to the ingest stream and remove the dead letter, atomically; False if it is missing.

    An event without a timestamp gets the time at which it first entered the stream.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    index = [keyspace.dead_of(dead_letter.organization)] if dead_letter.organization else []
    event = with_entry_time(dead_letter)
    arguments: list[Word] = [dead_letter.stream_id] if event is None else [dead_letter.stream_id, event]
    return bool(integer(await gateway.call(_REPLAY, [keyspace.dead, keyspace.events, *index], arguments)))


async def drop(gateway: Gateway, keyspace: Keyspace, dead_letters: Sequence[DeadLetter]) -> int:
    """Delete dead letters of a partition and return how many of them existed.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    indexes = [
        keyspace.dead_of(dead_letter.organization) if dead_letter.organization else keyspace.dead
        for dead_letter in dead_letters
    ]
    return integer(
        await gateway.call(_DROP, [keyspace.dead, *indexes], [dead_letter.stream_id for dead_letter in dead_letters])
    )


async def mark_seen(gateway: Gateway, keyspace: Keyspace, newest: DeadLetter) -> None:
    """Record the newest seen dead letter of a partition.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.command("HSET", keyspace.cursor, "dead_seen", newest.stream_id)


async def begin_rewrite(gateway: Gateway, keyspace: Keyspace) -> None:
    """Delete the rest of an earlier copy.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.command("UNLINK", keyspace.dead_rewrite)


async def copy_dead_letters(gateway: Gateway, keyspace: Keyspace, entries: Sequence[Entry]) -> None:
    """Append dead letters to the copy, under their ids; they must be in order.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    commands: list[Command] = [("XADD", keyspace.dead_rewrite, entry, *fields) for entry, fields in entries]
    if commands:
        await gateway.batch([*commands, ("EXPIRE", keyspace.dead_rewrite, _REWRITE_SECONDS)])


async def finish_rewrite(gateway: Gateway, keyspace: Keyspace, length: int, newest: bytes) -> bool:
    """Replace the dead letters by the copy, atomically; False if they have changed since.

    Args:
        length: the number of dead letters when they were copied.
        newest: the id of the newest of them, b"" for none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return bool(integer(await gateway.call(_REPLACE, [keyspace.dead, keyspace.dead_rewrite], [length, newest])))
