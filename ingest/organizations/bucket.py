"""Buckets: names of their keys and their expiries, made once for all batches of an owner. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.operations import CountTarget
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS
from sidedata.schema.values import ChangedBucket


class Bucket(Struct, eq=False, gc=False):  # no part of a cycle: an import makes them by the ten thousand
    """A bucket of a workflow at one level: names of its keys, and the times until which it is kept, in seconds since the epoch."""

    level: Level
    prefix: str  # the common beginning of the names of its keys
    visitors: str
    sessions: str
    counts: str
    change: str  # in the workflow's log of changes
    count_targets: Sequence[CountTarget | None] = (None,)  # of its visitors' number; None for no number
    kept_until: int = 0
    sessions_until: int = 0
    expiry: int = 0  # of its keys, which live `grace` seconds from their last event at least
    grace: int = 0

    @classmethod
    def of(cls, level: Level, start: int, prefix: str) -> "Bucket":
        """Name the keys of a bucket; its times are still to be set."""
        change = ChangedBucket(level, start).encode()
        names = f"{prefix}{BUCKET_VISITORS}", f"{prefix}{BUCKET_SESSIONS}", f"{prefix}{BUCKET_COUNTS}"
        return cls(level, prefix, *names, change)
