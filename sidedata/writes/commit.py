"""The write path: one fenced, atomic commit of a batch.

Whoever owns a partition (see `ingest/ownership/lease.py`) collects what a batch does as `Operations` and sends them with
`commit`, which
runs `scripts/commit.lua`. The script checks the fence and the cursor and then does all of it: counters, sketches, state,
dead letters, the new cursor, and the trimming of the stream.
"""

from typing import Any

from msgspec import Struct

from sidedata.errors import LeaseLostError, StopError
from sidedata.operations import Operations
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.settings import Settings

_COMMIT = script("commit")


class Ownership(Struct):
    """A partition in somebody's hands: the fence that proves it, and how far the partition is applied."""

    partition: int
    worker: str
    fence: int
    entry: str = "0-0"
    records: int = 0
    shadow_expiry: int = 0  # when the keys of a shadow go that a commit writes, in seconds since the epoch


class StaleError(Exception):
    """What the batch was planned on has changed (a record, a retention limit): plan it again."""


class Applied(Struct, frozen=True):
    """What a commit came to: its revision, and how many old dead letters had to go."""

    revision: int
    letters_dropped: int


async def commit(
    client: Client,
    settings: Settings,
    ownership: Ownership,
    operations: Operations,
    *,
    entry: str,
    events: int,
    now_ms: int,
    now_text: str,
    valid_until_ms: int,
) -> Applied:
    """Apply a batch up to and including the stream entry `entry`, and move `ownership` on to it.

    Raises:
        StaleError: plan again; nothing happened.
        LeaseLostError: somebody else owns the partition now, or applied the batch; nothing happened.
        StoreUnavailableError: it may have happened or not; the cursor tells.
    """
    partition = ownership.partition
    oldest_letter_ms = now_ms - settings.keep_dead_days * 86_400_000
    with translated():
        reply: list[Any] = await _COMMIT(
            client,
            [
                keys.cursor(partition),
                keys.lease(partition),
                keys.events(partition),
                keys.dead(partition),
                *operations.keys,
            ],
            [
                ownership.worker,
                ownership.fence,
                ownership.entry,
                entry,
                _following(entry),
                ownership.records,
                valid_until_ms,
                settings.lease_ms,
                events,
                f"{max(oldest_letter_ms, 0)}-0",
                settings.dead_limit,
                now_text,
                operations.packed(),
                ownership.shadow_expiry,
                *operations.letters,
            ],
        )
    match reply[0]:
        case b"ok":
            ownership.entry = entry
            return Applied(int(reply[1]), int(reply[2]))
        case b"stale":
            raise StaleError
        case b"fenced" | b"moved":
            raise LeaseLostError(f"partition {partition} has another owner")
        case _:
            raise StopError(f"the commit script answered {reply!r}")


def _following(entry: str) -> str:
    """The smallest stream id after `entry`."""
    ms, _, sequence = entry.partition("-")
    return f"{int(ms) + 1}-0" if int(sequence) == 2**64 - 1 else f"{ms}-{int(sequence) + 1}"
