"""The newest rules of time zones that a worker process has, and the decision about an organization's stored ones."""

import asyncio
import time

from sidedata.calendar.adoption import Decision, Keep, Recut, decide
from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import candidate_rules, process_sources
from sidedata.calendar.rules import ZoneRules, release_order
from sidedata.calendar.sources import ZoneData, ZoneSources
from sidedata.settings import Settings

# Workers of versions that know no tables cut by their machine's data. Names of the others end with this and six digits.
NAME_MARK = "z"


def is_old_worker(name: str) -> bool:
    """Tell if a worker's name is that of a version without tables in its records."""
    return not name.rpartition("-")[2].startswith(NAME_MARK)


class Rulebook:
    """The rules of all zones as of the last refresh; one for all partitions of a process."""

    def __init__(self, settings: Settings, sources: ZoneSources | None = None) -> None:
        self.retention = Retention.of(settings)
        self.old_workers = False  # workers that know no tables are alive: what they can't read must not be written
        self._days = settings.keep_day_days
        self._before: dict[str, ZoneRules] = {}  # by zone, the table of days that a version without tables has cut
        self._sources = sources or process_sources()
        self._data: ZoneData | None = None

    async def refresh(self) -> ZoneData:
        """Read the zone data of this machine, if they were not read lately."""
        self._data = await asyncio.to_thread(self._sources.data, time.time())
        return self._data

    def candidates(self, name: str, now: int) -> tuple[ZoneRules, ...]:
        """The tables of a zone in all sources, the newest first; `now` is Redis's time in seconds since the epoch.

        Raises:
            UsageError: no source knows the name.
        """
        if self._data is None:
            self._data = self._sources.data(time.time())
        return candidate_rules(self._data, name, now, self._days)

    def remember_before(self, name: str, rules: ZoneRules) -> None:
        """Remember a table by which a version without tables cuts days of a zone, for organizations that have none yet."""
        self._before[name] = rules

    def rules_before(self, name: str, now: int) -> ZoneRules:
        """The table by which a version without tables cuts days of a zone: as it did before, or the oldest one at hand."""
        return self._before.get(name) or self.candidates(name, now)[-1]

    def first_rules(self, name: str, stored: ZoneRules | None, now: int) -> ZoneRules | None:
        """The table for the first events of an organization; None to cut as versions without tables do."""
        newest = self.candidates(name, now)[0]
        if self.old_workers or (stored is not None and release_order(stored.release) > release_order(newest.release)):
            return stored
        return newest

    def decide(self, name: str, stored: ZoneRules, now: int) -> Decision:
        """Decide about the table of an organization with events."""
        newest = self.candidates(name, now)[0]
        decision = decide(stored, newest, self.retention, now)
        if self.old_workers and isinstance(decision, Recut):
            return Keep(stored)
        return decision

    def is_due(self, name: str, stored: ZoneRules | None, now: int) -> bool:
        """Tell if an organization with events has to get another table before more events are counted."""
        if stored is None:
            return not self.old_workers
        return not isinstance(self.decide(name, stored, now), Keep)
