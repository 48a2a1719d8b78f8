"""The table that explains the day buckets of an organization whose record holds none. Pure.

The key of a day bucket is the UTC start of its local day, so the keys tell by which offsets the days were cut. Machines whose zone
data are of different releases may have cut them: one after the other, when an installation was updated, or side by side.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

from sidedata.calendar.rules import UNKNOWN, ZoneRules, release_order, seam_date
from sidedata.calendar.zones import DAY_SECONDS, HOUR_SECONDS, table_zone


class Explanation(NamedTuple):
    """The table by which existing day buckets were cut.

    `strays` are the starts that it does not explain. `doubtful` are the strays, the days before them, and the days on which the
    candidates differ: another process may have filled them by another table, under the same key. `newest` is the table by which
    the newest days were cut, where these are strays. Where it is apart by part of an hour, it is the table itself: hours can't be
    cut again.
    """

    rules: ZoneRules
    strays: tuple[int, ...]
    doubtful: tuple[int, ...] = ()
    newest: ZoneRules | None = None


def explain_days(day_starts: Iterable[int], candidates: Sequence[ZoneRules]) -> Explanation:
    """The table, of those that machines may have used, that explains the most of the day buckets of an organization.

    An installation that was updated in mid-life has days of two tables: then it is one table up to a day and the other after it.
    Where processes with both ran side by side, days of the other one are strays.

    Args:
        day_starts: starts of the existing day buckets, in seconds since the epoch.
        candidates: the tables, the preferred one first; at least one.
    """
    starts = sorted(day_starts)
    explanations = [Explanation(rules, _strays(rules, starts)) for rules in candidates]
    strays = {one.rules: set(one.strays) for one in explanations}
    for old, new in permutations(strays, 2):
        old_alone, new_alone = strays[new] - strays[old], strays[old] - strays[new]
        if not old_alone or not new_alone:
            continue
        for start in (min(new_alone), max(old_alone) + DAY_SECONDS):
            zones = (table_zone(old), table_zone(new))
            for seam in sorted({edge for zone in zones for day in [zone.day(start)] for edge in (day.start, day.end)}):
                rules = old.splice(new, seam)._replace(release=min(old.release, new.release, key=release_order))
                rules = rules._replace(since=seam_date(rules, new, rules.start))
                explanations.append(Explanation(rules, _strays(rules, starts)))
    best = min(explanations, key=lambda explanation: len(explanation.strays))
    newest = _newest(best, starts)
    if newest is not None and (newest.offsets[-1] - best.rules.offsets[-1]) % HOUR_SECONDS:
        return Explanation(newest._replace(release=UNKNOWN), _strays(newest, starts))
    doubtful = {*best.strays, *(day for rules in candidates for day in _different_days(best.rules, rules, starts))}
    # The day before a stray ended where the stray begins, so it may hold hours of the next one.
    zone = table_zone(best.rules)
    doubtful.update(zone.day(start - DAY_SECONDS // 2).start for start in best.strays)
    return best._replace(doubtful=tuple(sorted(doubtful)), newest=newest)


def table_before(explanation: Explanation, newest: ZoneRules, others: Sequence[ZoneRules]) -> ZoneRules:
    """The table by which processes without tables go on: that of the newest days, or, where no day tells, another candidate."""
    before = explanation.newest or explanation.rules
    return others[-1] if others and before.same_offsets(newest) else before


def _different_days(rules: ZoneRules, other: ZoneRules, starts: Sequence[int]) -> Iterator[int]:
    """The starts of the days, among existing ones, on which two tables differ."""
    zone = table_zone(rules)
    for first, last in rules.differences(other) if starts else ():
        at = zone.day(max(first, starts[0])).start
        while at < min(last, starts[-1] + DAY_SECONDS):
            yield at
            at = zone.day(at).end


def _newest(explanation: Explanation, starts: Sequence[int]) -> ZoneRules | None:
    """The table with other offsets from the first of the last strays on, by which each of these is a midnight."""
    rules, strays = explanation.rules, set(explanation.strays)
    zone = table_zone(rules)
    run: list[int] = []
    shifts: set[int] = set()
    for start in reversed(starts):
        day = zone.day(start)
        shift = min(start - day.start, start - day.end, key=abs)  # to the nearest midnight
        if start not in strays or len(shifts | {shift}) > 1:
            break
        run.append(start)
        shifts.add(shift)
    if not run:
        return None
    shift = shifts.pop()
    # When the clocks changed, if that was after the last day before these; else two hours before both midnights, so that the new
    # one comes once.
    seam = min(run[-1], run[-1] - shift) - 2 * HOUR_SECONDS
    earlier = starts[: -len(run)]
    last = earlier[-1] if earlier else zone.day(seam).start
    seam = max((at for at in rules.starts if last <= at < seam), default=seam)
    return rules.splice(rules._replace(offsets=tuple(offset - shift for offset in rules.offsets)), seam)


def _strays(rules: ZoneRules, starts: Sequence[int]) -> tuple[int, ...]:
    zone = table_zone(rules)
    return tuple(start for start in starts if zone.day(start).start != start)
