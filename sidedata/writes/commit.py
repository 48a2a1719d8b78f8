"""The one way to write a partition: a fenced, atomic commit of a batch.

The partition's owner (see `ingest/ownership/lease.py`) collects the effects of a batch as `Operations` and sends them with
`commit`, which runs `scripts/commit/commit.lua`. The script checks the fence and the cursor and then applies all of it: counters,
sketches, state, dead letters, the new cursor, and the trimming of the stream.
"""

import msgspec
from msgspec import Struct

from sidedata.errors import LeaseLostError, StopError
from sidedata.events.timestamps import from_milliseconds
from sidedata.operations import Operations
from sidedata.redis.gateway import Gateway, OnSent
from sidedata.redis.replies import Word, array, integer, string
from sidedata.redis.scripts import script
from sidedata.schema.keys import Keyspace
from sidedata.settings import Settings

_COMMIT = script("commit")
_PACKER = msgspec.msgpack.Encoder()
_GREATEST_NUMBER = 2**64 - 1
_GREATEST_ID = f"{_GREATEST_NUMBER}-{_GREATEST_NUMBER}"


class Ownership(Struct):
    """The ownership of a partition: the fence that proves it, and the last entry applied."""

    keyspace: Keyspace
    worker: str
    fence: int
    entry: str = "0-0"
    records: int = 0  # the revision of records that the owner's plans rest on
    shadow_expiry: int = 0  # the expiry of a shadow's keys, in seconds since the epoch; 0 for live keys

    @property
    def partition(self) -> int:
        """The partition's number."""
        return self.keyspace.partition


class StaleError(Exception):
    """The state that the batch was planned on has changed (a record, a retention limit): plan it again."""


class Commit(Struct, frozen=True):
    """The result of a commit: its revision, and the number of old dead letters that it dropped.

    `appended` is false where the account lacks the right to APPEND: then the commit has appended nothing.
    """

    revision: int
    dead_letters_dropped: int
    appended: bool


async def commit(
    gateway: Gateway,
    settings: Settings,
    ownership: Ownership,
    operations: Operations,
    *,
    entry: str,
    events: int,
    now_ms: int,
    valid_until_ms: int,
    on_sent: OnSent | None = None,
) -> Commit:
    """Apply a batch up to and including the stream entry `entry`, and move `ownership` on to it.

    Args:
        on_sent: called when the batch is on its way, before the wait for Redis; see `Gateway.call`.

    Raises:
        StaleError: plan again; nothing happened.
        LeaseLostError: another owner has the partition now, or applied the batch; nothing happened.
        StoreUnavailableError: the commit may have happened or not; the cursor tells.
    """
    keyspace = ownership.keyspace
    oldest_ms = max(now_ms - settings.keep_dead_days * 86_400_000, 0)
    batch = {
        "worker": ownership.worker,
        "fence": str(ownership.fence),
        "entry_before": ownership.entry,
        "entry": entry,
        "trimming": _trimming(entry),
        "records": str(ownership.records),
        "valid_until_ms": valid_until_ms,
        "lease_ms": settings.lease_ms,
        "events": events,
        "now": from_milliseconds(now_ms),
        "oldest_dead_letter": f"{oldest_ms}-0",
        "dead_letter_expiry": now_ms // 1000 + settings.keep_dead_days * 86_400,
        "dead_letter_limit": settings.dead_limit,
        "shadow_expiry": ownership.shadow_expiry,
        "shadow_prefix": keyspace.prefix,
        "hours": operations.hours,
        "operations": operations.steps(),
        "binaries": len(operations.binaries),
    }
    reply = array(
        await gateway.call(
            _COMMIT,
            [keyspace.cursor, keyspace.lease, keyspace.events, keyspace.dead, *operations.keys],
            [_PACKER.encode(batch), *operations.binaries, *operations.dead_letters],
            on_sent=on_sent,
        )
    )
    match string(reply[0]):
        case b"ok":
            ownership.entry = entry
            return Commit(integer(reply[1]), integer(reply[2]), bool(integer(reply[3])))
        case b"stale":
            raise StaleError
        case b"fenced" | b"moved":
            raise LeaseLostError(f"partition {keyspace.partition} has another owner")
        case _:
            raise StopError(f"the commit script answered {reply!r}")


def _trimming(entry: str) -> tuple[Word, Word]:
    """The option of XTRIM that removes the entries up to `entry`: no id follows the greatest of all, so nothing can stay."""
    if entry == _GREATEST_ID:
        return "MAXLEN", 0
    ms, _, sequence = entry.partition("-")
    return "MINID", f"{int(ms) + 1}-0" if int(sequence) == _GREATEST_NUMBER else f"{ms}-{int(sequence) + 1}"
