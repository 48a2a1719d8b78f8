"""Buckets: names of their keys and their expiries, made once for all batches of an owner. Pure."""

from collections.abc import Sequence

from sidedata.calendar.levels import Level
from sidedata.operations import CountTarget
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS
from sidedata.schema.values import ChangedBucket


class Bucket:
    """A bucket of a workflow at one level: names of its keys, and the times until which it is kept, in seconds since the epoch."""

    __slots__ = (
        "change",
        "count_targets",
        "counts",
        "expiry",
        "grace",
        "kept_until",
        "level",
        "prefix",
        "sessions",
        "sessions_until",
        "visitors",
    )

    def __init__(self, level: Level, start: int, prefix: str) -> None:
        self.level = level
        self.prefix = prefix  # the common beginning of the names of its keys
        self.visitors = f"{prefix}{BUCKET_VISITORS}"
        self.sessions = f"{prefix}{BUCKET_SESSIONS}"
        self.counts = f"{prefix}{BUCKET_COUNTS}"
        self.change = ChangedBucket(level, start).encode()  # in the workflow's log of changes
        self.count_targets: Sequence[CountTarget | None] = (None,)  # of its visitors' number; None for no number
        self.kept_until = self.sessions_until = 0
        self.expiry = self.grace = 0  # of its keys, which live `grace` seconds from their last event at least
