"""Local hours and days by brute force: zones are walked minute by minute."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


def local_hour(instant: datetime, zone: str | tzinfo) -> tuple[date, int, int]:
    """Date, hour and offset in seconds of the local hour that holds an instant."""
    return _label(instant.replace(second=0, microsecond=0), zone)


def local_date(instant: datetime, zone: str | tzinfo) -> date:
    """The date of the local day that holds an instant."""
    return local_hour(instant, zone)[0]


@lru_cache(maxsize=200_000)
def _label(minute: datetime, zone: str | tzinfo) -> tuple[date, int, int]:
    local = minute.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    offset = local.utcoffset()
    assert offset is not None
    return local.date(), local.hour, int(offset.total_seconds())


def hour_around(instant: datetime, zone: str | tzinfo) -> tuple[datetime, datetime]:
    """The local hour of an instant: as far as date, hour and offset stay the same."""
    return _walk(instant.replace(second=0, microsecond=0), zone, 3)


@lru_cache(maxsize=2_000)
def _walk(minute: datetime, zone: str | tzinfo, fields: int) -> tuple[datetime, datetime]:
    first = last = minute
    while _label(first - MINUTE, zone)[:fields] == _label(minute, zone)[:fields]:
        first -= MINUTE
    while _label(last + MINUTE, zone)[:fields] == _label(minute, zone)[:fields]:
        last += MINUTE
    return first, last + MINUTE


def day_around(instant: datetime, zone: str | tzinfo) -> tuple[datetime, datetime]:
    """The local day of an instant: as far as the date stays the same."""
    return _walk(instant.astimezone(UTC).replace(second=0, microsecond=0), zone, 1)
