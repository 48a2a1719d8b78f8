"""The first table of an organization from before the tables: the keys of its days tell by which offsets they were cut."""

from collections.abc import Iterable

from sidedata.calendar.explanation import Explanation, explain_days
from sidedata.calendar.reporting import zone_of
from sidedata.calendar.rules import ZoneRules
from sidedata.calendar.zones import HOUR_SECONDS
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.reads.records import OrganizationRecords
from sidedata.reads.zones.buckets import existing_days
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace
from sidedata.schema.records import DEFAULT_ZONE

# Seconds from a midnight by one table to that by another one.
_SHIFTS = (-HOUR_SECONDS, -HOUR_SECONDS // 2, 0, HOUR_SECONDS // 2, HOUR_SECONDS)
# Each third day of the newest workflows: 60 small questions each, so that 1,000 organizations take seconds.
_SAMPLED_DAYS = 3
_SAMPLED_WORKFLOWS = 5


async def explain(
    gateway: Gateway,
    rulebook: Rulebook,
    keyspace: Keyspace,
    organization: str,
    timezone: str,
    records: OrganizationRecords,
    now: int,
) -> Explanation:
    """Find the table by which the days of an organization without one were cut; `now` is in seconds since the epoch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    candidates = rulebook.candidates(timezone, now)
    retention = rulebook.retention
    workflows = sorted(records.newest_us, key=records.newest_us.__getitem__, reverse=True)
    if all(rules.same_offsets(candidates[0]) for rules in candidates):
        whole = Explanation(candidates[0], ())
        if timezone == DEFAULT_ZONE or timezone.startswith("Etc/"):
            return whole
        # Other releases than those at hand may have been used, before both were updated: a sample of days tells.
        starts = _possible_starts(candidates, now - retention.hour, now)
        sample = [start for place, start in enumerate(starts) if place // len(_SHIFTS) % _SAMPLED_DAYS == 0]
        days = await existing_days(gateway, keyspace, organization, workflows[:_SAMPLED_WORKFLOWS], sample)
        if explain_days(days, candidates) == whole:
            return whole
    starts = _possible_starts(candidates, now - retention.day, now)
    return explain_days(await existing_days(gateway, keyspace, organization, workflows, starts), candidates)


def _possible_starts(candidates: Iterable[ZoneRules], first: int, now: int) -> list[int]:
    """The starts that days may have had: each midnight by one of the tables, and half an hour and an hour from it, in order."""
    starts: set[int] = set()
    for rules in candidates:
        zone = zone_of(rules)
        at = zone.day(first).start
        while at <= now:
            starts.update(at + shift for shift in _SHIFTS)
            at = zone.day(at).end
    return sorted(starts)
