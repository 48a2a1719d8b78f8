"""The sketches of old hours that may be dense, found by the sizes of their days."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final

from sidedata.batched import batched
from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import reporting_zone
from sidedata.calendar.zones import DAY_SECONDS, Day, Zone
from sidedata.errors import UsageError
from sidedata.reads.compaction import read_newest_events
from sidedata.reads.records import listed_organizations, read_kinds
from sidedata.reads.zones.buckets import read_days, sketch_estimates
from sidedata.redis.gateway import Gateway
from sidedata.schema.counts import GOAL_SKETCHES, goal_fields, goal_sketch, hour_field
from sidedata.schema.keys import Keyspace
from sidedata.schema.table import BUCKET_SESSIONS, BUCKET_VISITORS

# Hours of a local day are old this long after its end: by then late events are rare, and readers have no 5 minutes of it.
OLD_SECONDS: Final = DAY_SECONDS
_WORKFLOWS: Final = 200  # to one read of kinds
_KEYS: Final = 100  # to one batch, 1 ms of Redis
# A sketch of so few ids is sparse: an id takes 2 bytes of the 3,000, some take 3.
_MOST_SPARSE: Final = 1_000
# An hour of page views with fewer visitors has sparse sketches, unless it has more than four sessions a visitor.
_FEWEST_VISITORS: Final = 300


async def old_sketches(
    gateway: Gateway, keyspace: Keyspace, retention: Retention, now: int
) -> AsyncIterator[list[str]]:
    """Find the keys of sketches of old hours that may be dense, in batches; `now` is in seconds since the epoch.

    A key may be missing in Redis. A batch may be empty, so that each takes some milliseconds at most. An organization that is
    listed meanwhile may be left out.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    async for organizations in listed_organizations(gateway, keyspace):
        for organization in organizations:
            state, newest_us = await read_newest_events(gateway, keyspace, organization)
            yield []
            try:
                days = _old_days(reporting_zone(state.timezone, state.rules), retention, now)
            except UsageError:  # this machine does not know the zone, so a commit for it fails, too
                continue
            active = [workflow for workflow, at_us in newest_us.items() if days and at_us >= days[0].start * 1_000_000]
            for workflows in batched(active, _WORKFLOWS):
                kinds = await read_kinds(gateway, keyspace, organization, workflows)
                for workflow, kind in kinds.items():
                    find = _page_sketches if kind == "page_navigation" else _interaction_sketches
                    names = await find(gateway, keyspace, organization, workflow, days)
                    yield []
                    for keys in batched(names, _KEYS):
                        yield keys


def _old_days(zone: Zone, retention: Retention, now: int) -> list[Day]:
    """The days whose hours are old and kept, in order."""
    days: list[Day] = []
    day = zone.day(now - retention.hour)
    while day.end + OLD_SECONDS <= now:
        days.append(day)
        day = zone.day(day.end)
    return days


async def _page_sketches(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str, days: Sequence[Day]
) -> list[str]:
    """The sketches of hours with many visitors, by the numbers of visitors that days store."""
    counts = await read_days(gateway, keyspace, organization, workflow, [day.start for day in days])
    starts = [
        hour.start
        for day in days
        for hour in day.hours
        if counts[day.start].get(hour_field(hour.index, hour.offset), 0) >= _FEWEST_VISITORS
    ]
    prefixes = (keyspace.bucket(organization, workflow, "hour", start) for start in starts)
    return [prefix + name for prefix in prefixes for name in (BUCKET_VISITORS, BUCKET_SESSIONS)]


async def _interaction_sketches(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str, days: Sequence[Day]
) -> list[str]:
    """The sketches of visitors on days with many visitors, and those of goals on days with many of their events."""
    of_days = [keyspace.bucket(organization, workflow, "day", day.start) for day in days]
    visitors = await sketch_estimates(gateway, [prefix + BUCKET_VISITORS for prefix in of_days])
    counts = await read_days(gateway, keyspace, organization, workflow, [day.start for day in days])
    return [
        keyspace.bucket(organization, workflow, "hour", hour.start) + name
        for day, estimate in zip(days, visitors, strict=True)
        for name in _names(estimate, counts[day.start])
        for hour in day.hours
    ]


def _names(visitors: int, counts: Mapping[str, int]) -> Iterator[str]:
    """The names of an interaction workflow's sketches that may be dense in an hour of a day with these counts."""
    if visitors > _MOST_SPARSE:
        yield BUCKET_VISITORS
    for goal in goal_fields(counts):
        if counts[goal] > _MOST_SPARSE:
            yield from (goal_sketch(goal, sketch) for sketch in GOAL_SKETCHES)
