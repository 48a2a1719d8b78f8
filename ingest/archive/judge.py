"""The judgement of lines before they are sent: those that a worker will make dead letters of. Pure but for the zone's data.

By this machine's clock and settings, and without Redis: workflows' kinds and sealed hours are not known here, and the days that
are kept are those of UTC.
"""

from typing import Final

from sidedata.calendar.levels import Retention
from sidedata.calendar.slots import Slots
from sidedata.calendar.zones import zone
from sidedata.events.decode import AHEAD_US, decode_event
from sidedata.events.rejection import IN_FUTURE, TOO_OLD, Rejection
from sidedata.ingest.archive.lines import Line
from sidedata.settings import Settings

_ZONE: Final = "UTC"


class Judge:
    """Judges the lines of an archive.

    Args:
        now: seconds since the epoch.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        oldest = Slots(zone(_ZONE)).at(int(now) - Retention.of(settings).day).day
        self._oldest_us = oldest.start * 1_000_000
        self._newest_us = int(now * 1_000_000) + AHEAD_US

    def rejection(self, line: Line) -> Rejection | None:
        """The cause why a readable line will become a dead letter; None if there is none that shows."""
        event = decode_event(line.raw)
        if isinstance(event, Rejection):
            return event
        if "timestamp" in event.defaults:
            return None
        if event.at_us < self._oldest_us:
            return TOO_OLD
        return IN_FUTURE if event.at_us > self._newest_us else None
