"""Settled buckets: all their keys exist with their expiry, so that what live traffic adds is written by steps made once. Pure.

A batch of live traffic adds a few ids to each of many buckets, and to the same ones in the next batch. To name each key and to
compare each expiry would then cost more than the additions.
"""

from collections.abc import Sequence

from sidedata.events.decode import Kind
from sidedata.ingest.organizations.bucket import Bucket
from sidedata.ingest.organizations.organization import FinestBucket
from sidedata.operations import NEARLY_EXPIRED_SECONDS, Operations, SettledKeys


def settled_keys(finest: FinestBucket, kind: Kind, operations: Operations, now: int) -> SettledKeys | None:
    """The keys of a finest bucket and those around it; None if one may be missing or not kept, or needs an expiry."""
    if finest.settled_until <= now:
        buckets = finest.levels
        if not buckets or not all(_is_settled(bucket, kind, operations) for bucket in buckets):
            return None
        finest.settled, finest.settled_until = _steps(buckets, kind), min(map(_until, buckets))
    return finest.settled if finest.settled_until > now else None


def _is_settled(bucket: Bucket, kind: Kind, operations: Operations) -> bool:
    keys = [bucket.visitors]
    if kind == "page_navigation":
        keys.append(bucket.sessions)
    if kind == "interaction" or bucket.level == "day":
        keys.append(bucket.counts)
    return all(operations.has_expiry(key, bucket.expiry) for key in keys)


def _until(bucket: Bucket) -> int:
    """The time until which all keys of the bucket are kept, with the expiry that they have."""
    return min(bucket.sessions_until, bucket.expiry - max(bucket.grace, NEARLY_EXPIRED_SECONDS))


def _steps(buckets: Sequence[Bucket], kind: Kind) -> SettledKeys:
    indexes: dict[str, int] = {}

    def index(key: str) -> int:
        return indexes.setdefault(key, len(indexes) + 1)

    visitors: list[int | str] = []
    sessions: list[int | str] = []
    counts: list[int | str] = []
    hours: list[tuple[int, int, str]] = []
    for bucket in buckets:
        for stored in bucket.count_targets:
            if stored is None:
                visitors += (index(bucket.visitors), 0, 0, "")
                continue
            visitors += (index(bucket.visitors), 0, index(stored.key), stored.field)
            if stored.is_hour:
                hours.append((index(bucket.visitors), index(stored.key), stored.field))
        if kind == "page_navigation":
            sessions += (index(bucket.sessions), 0, 0, "")
        else:
            counts += (index(bucket.counts), 0)
    return SettledKeys(
        tuple(indexes),
        (len(visitors), *visitors),
        (len(sessions), *sessions),
        (len(counts), *counts),
        tuple(hours),
        [bucket.change for bucket in buckets],
    )
