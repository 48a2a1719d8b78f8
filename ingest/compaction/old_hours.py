"""The sketches of old hours that may be dense, found by the records and counts of a partition."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from sidedata.batched import batched
from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import reporting_zone
from sidedata.calendar.zones import DAY_SECONDS, Zone
from sidedata.errors import UsageError
from sidedata.events.decode import Kind
from sidedata.reads.compaction import read_hour_counts, read_newest_events, read_organization_ids
from sidedata.reads.records import read_kinds
from sidedata.redis.gateway import Gateway
from sidedata.schema.counts import GOAL_SKETCHES, goal_fields, goal_sketch
from sidedata.schema.keys import Keyspace
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS

# Hours of a local day are old this long after its end: by then late events are rare, and readers have no 5 minutes of it.
OLD_SECONDS: Final = DAY_SECONDS
_ORGANIZATIONS: Final = 1_000  # to one read
_WORKFLOWS: Final = 200  # to one read of kinds
_KEYS: Final = 400  # to one batch of keys, and hours to one read of counts: 1 ms of Redis
_HOURS: Final = 100
# A goal with so few events in an hour has sparse sketches: an id takes 2 bytes of the 3,000, some take 3.
_MOST_SPARSE_EVENTS: Final = 1_000


async def old_sketches(
    gateway: Gateway, keyspace: Keyspace, retention: Retention, now: int
) -> AsyncIterator[list[str]]:
    """Find the keys of sketches of old hours that may be dense, in batches; `now` is in seconds since the epoch.

    A batch may be empty, so that each takes some milliseconds at most. An organization that is listed meanwhile may be left out.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    first = 0
    while organizations := await read_organization_ids(gateway, keyspace, first, _ORGANIZATIONS):
        first += len(organizations)
        for organization in organizations:
            state, newest_us = await read_newest_events(gateway, keyspace, organization)
            yield []
            try:
                hours = _old_hours(reporting_zone(state.timezone, state.rules), retention, now)
            except UsageError:  # this machine does not know the zone, so a commit for it fails, too
                continue
            active = [workflow for workflow, at_us in newest_us.items() if hours and at_us >= hours[0] * 1_000_000]
            for workflows in batched(active, _WORKFLOWS):
                kinds = await read_kinds(gateway, keyspace, organization, workflows)
                for workflow, kind in kinds.items():
                    prefixes = [keyspace.bucket(organization, workflow, "hour", start) for start in hours]
                    async for keys in _sketches(gateway, kind, prefixes):
                        yield keys


def _old_hours(zone: Zone, retention: Retention, now: int) -> list[int]:
    """The starts of the hours that are old and kept, in order."""
    starts: list[int] = []
    day = zone.day(now - retention.hour)
    while day.end + OLD_SECONDS <= now:
        starts += [hour.start for hour in day.hours]
        day = zone.day(day.end)
    return starts


async def _sketches(gateway: Gateway, kind: Kind, prefixes: Sequence[str]) -> AsyncIterator[list[str]]:
    if kind == "page_navigation":
        names = (BUCKET_VISITORS, BUCKET_SESSIONS)
        for keys in batched((prefix + name for prefix in prefixes for name in names), _KEYS):
            yield keys
        return
    for some in batched(prefixes, _HOURS):
        counts = await read_hour_counts(gateway, [prefix + BUCKET_COUNTS for prefix in some])
        found = [
            prefix + name
            for prefix, fields in zip(some, counts, strict=True)
            for name in (BUCKET_VISITORS, *_goal_sketches(fields))
        ]
        for keys in batched(found, _KEYS):
            yield keys


def _goal_sketches(counts: dict[str, int]) -> list[str]:
    names = [name for name in goal_fields(counts) if counts[name] > _MOST_SPARSE_EVENTS]
    return [goal_sketch(name, sketch) for name in names for sketch in GOAL_SKETCHES]
