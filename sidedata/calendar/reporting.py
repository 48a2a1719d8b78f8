"""The reporting zone of an organization: by the table in its record, or by the newest rules of this machine where it has none."""

import os
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sidedata.calendar.levels import Retention
from sidedata.calendar.rules import ZoneRules, table_span
from sidedata.calendar.sources import ZoneData, ZoneSources, installed_sources
from sidedata.calendar.zones import DAY_SECONDS, Day, Zone, zone

_DEFAULT_DAYS = 400  # the default retention of days; a worker with another one extends the table


def stored_rules(name: str, text: str | None) -> ZoneRules | None:
    """Decode the table of a record; None where it holds none, or that of another zone, which a program without tables has set."""
    if text is None:
        return None
    try:
        rules = ZoneRules.decode(text)
    except ValueError:
        return None
    return rules if rules.name == name else None


@lru_cache(maxsize=8192)
def reporting_zone(name: str, text: str | None) -> Zone:
    """The zone of a record with this name and this table.

    Raises:
        UsageError: the record has no table, and this machine knows no such zone.
    """
    rules = stored_rules(name, text)
    return zone(name) if rules is None else zone_of(rules)


@lru_cache(maxsize=8192)
def zone_of(rules: ZoneRules) -> Zone:
    """The zone of a table; the data of this machine serve beyond its ends, where they know the name."""
    try:
        machine = ZoneInfo(rules.name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        machine = None
    return Zone(rules, machine)


def newest_rules(data: ZoneData, name: str, now: int, keep_days: int = _DEFAULT_DAYS) -> ZoneRules:
    """The table of a zone in zone data, for the time from before the oldest day kept; `now` is in seconds since the epoch.

    Raises:
        UsageError: neither the data nor Python's own know the name.
    """
    return candidate_rules(data, name, now, keep_days)[0]


def candidate_rules(data: ZoneData, name: str, now: int, keep_days: int) -> tuple[ZoneRules, ...]:
    """The tables of a zone in all folders of zone data, the preferred one first; never empty.

    Raises:
        UsageError: neither the data nor Python's own know the name.
    """
    today = now // DAY_SECONDS
    return data.candidates(name, *table_span(today - keep_days, today)) or (zone(name).rules,)


def rules_header(zone: Zone, now: float, retention: Retention) -> str:
    """The release of a zone's table, with the date of its seam as long as a day before it is kept."""
    rules = zone.rules
    if rules.since is not None:
        oldest: Day = zone.day(int(now) - retention.day)
        if oldest.ordinal < rules.since.toordinal():
            return f"{rules.release}; since={rules.since.isoformat()}"
    return rules.release


def oldest_kept_us(zone: Zone, now: float, retention: Retention) -> int:
    """The start of the oldest local day that is kept, in microseconds since the epoch; earlier events are too old."""
    # The day of this instant is kept, because it ends later; the days before it are not.
    day: Day = zone.day(int(now) - retention.day)
    return day.start * 1_000_000


@cache
def process_sources() -> ZoneSources:
    """The zone data of this machine, shared by all parts of the process."""
    return installed_sources(os.environ)
