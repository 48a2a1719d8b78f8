"""The time after an upgrade from a version without tables: its processes may go on, so days are cut by their rules, too. Pure.

It begins when the partition's organizations have been compared with a release of zone data for the first time, because nothing is
cut again while workers of that version are alive, and it lasts a day.
"""

from sidedata.calendar.rules import ZoneRules
from sidedata.schema.values import FORMER_SECONDS, FormerCut


class Upgrade:
    """The upgrade of one partition.

    Args:
        until: its end as the cursor holds it, in seconds since the epoch; 0 where no version without tables owned the partition.
        is_compared: the partition's organizations were compared before.
    """

    def __init__(self, until: int = 0, *, is_compared: bool = True) -> None:
        self._until = until
        self._is_compared = is_compared

    def until(self, now: int) -> int:
        """The end of the upgrade, which lies a day ahead as long as the first comparison has not ended; 0 for none."""
        if self._until and not self._is_compared:
            return now + FORMER_SECONDS
        return self._until

    def finish_comparison(self, now: int) -> int:
        """The end of the upgrade, now that all organizations were compared; 0 for none."""
        self._until, self._is_compared = self.until(now), True
        return self._until

    def cut(self, before: ZoneRules, rules: ZoneRules, now: int) -> FormerCut | None:
        """The cut by the table `before`, if processes of that version may ask for days that `rules` cut otherwise."""
        until = self.until(now)
        return FormerCut(until, before.encode()) if now < until and before.differences(rules) else None

    def later_cut(self, former: FormerCut | None, stored: ZoneRules, rules: ZoneRules, now: int) -> FormerCut | None:
        """The cut that goes on when `rules` replace a stored table: the one before that, `former`, or the stored one itself."""
        return former if former is not None and now < former.until else self.cut(stored, rules, now)
