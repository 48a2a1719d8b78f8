"""The judgement of lines before they are sent: those that a worker will make dead letters of. Pure but for the zones' data.

By this machine's clock and settings. Workflows' kinds and sealed hours are not known here. The days that are kept are local days of
an organization's reporting zone, which is known only where a caller has looked it up: without it an event is too old if it is so
in every zone.
"""

from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import oldest_kept_us
from sidedata.calendar.zones import Zone
from sidedata.events.decode import AHEAD_US, Event, decode_event
from sidedata.events.rejection import IN_FUTURE, TOO_OLD, Rejection
from sidedata.ingest.archive.lines import Line
from sidedata.settings import Settings

_LONGEST_DAY_US: Final = 27 * 3_600 * 1_000_000  # with both changes of clocks, and an hour to spare


class ZoneDecidesError(Exception):
    """An event that is too old in the reporting zones of some organizations and not in those of others."""

    def __init__(self, organization: str) -> None:
        self.organization = organization  # in lower case


class Judge:
    """Judges the lines of an archive.

    Args:
        now: seconds since the epoch.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        self._now = now
        self._retention = Retention.of(settings)
        self._limit_us = (int(now) - self._retention.day) * 1_000_000
        self._newest_us = int(now * 1_000_000) + AHEAD_US
        self._oldest_us: dict[str, int] = {}  # the start of the oldest day kept, by organization

    def learn(self, organization: str, reporting: Zone) -> None:
        """Learn the reporting zone of an organization, whose id is in lower case."""
        self._oldest_us[organization] = oldest_kept_us(reporting, self._now, self._retention)

    @property
    def accepted_us(self) -> tuple[int, int]:
        """The times of events, first and last, that are neither too old in any zone nor in the future."""
        return self._limit_us, self._newest_us

    def rejection(self, line: Line) -> Rejection | None:
        """The reason for which a readable line will become a dead letter; None if none is known.

        Raises:
            ZoneDecidesError: the event is too old in some zones, and its organization's is not known.
        """
        event = line.event or decode_event(line.raw)
        if isinstance(event, Rejection):
            return event
        if "timestamp" in event.defaults:
            return None
        if event.at_us < self._limit_us and self._is_too_old(event):
            return TOO_OLD
        return IN_FUTURE if event.at_us > self._newest_us else None

    def _is_too_old(self, event: Event) -> bool:
        if event.at_us < self._limit_us - _LONGEST_DAY_US:
            return True
        oldest_us = self._oldest_us.get(event.organization_id)
        if oldest_us is not None:
            return event.at_us < oldest_us
        earliest_us, latest_us = _oldest_anywhere(self._limit_us // 1_000_000)
        if earliest_us <= event.at_us < latest_us:
            raise ZoneDecidesError(event.organization_id)
        return event.at_us < earliest_us


@cache
def _oldest_anywhere(limit: int) -> tuple[int, int]:
    """The earliest and the latest start of the local day of an instant, over all zones of this machine, in microseconds."""
    starts: list[int] = []
    for name in available_timezones():
        # By Python alone: the tables of all zones would take seconds.
        with suppress(ValueError, OSError):  # a name without data that can be read
            start = datetime.fromtimestamp(limit, ZoneInfo(name)).replace(hour=0, minute=0, second=0, fold=0)
            starts.append(int(start.timestamp()) * 1_000_000)
    return min(starts, default=0), max(starts, default=0)
