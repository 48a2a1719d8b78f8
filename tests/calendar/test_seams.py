"""Seams: days without hours keep their cut, in the table and in the buckets."""

from datetime import date

import pytest

from sidedata.calendar.adoption import AdoptFuture, Recut, decide
from tests.support.zones.buckets import (
    DAY,
    KEPT,
    NO_WINTER,
    NOW,
    OLD_EAST,
    OLD_WEST,
    Buckets,
    pair,
    rules,
)
from tests.support.zones.files import HOUR, Changes, SeamZone, made_zone, second


@pytest.mark.parametrize("case", [OLD_EAST, OLD_WEST], ids=["east", "west"])
def test_days_without_hours_keep_their_cut_up_to_a_seam(case: tuple[int, Changes, Changes]) -> None:
    """From the first day with all of its hours on the newer rules hold; older days equal brute force under the seam."""
    old, new, stored, candidate = pair(case)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert decision.seam is not None
    assert decision.rules.since == date(2026, 11, 8)
    assert decision.rules.release == "2026b"
    Buckets().fill(stored).expire(stored).adopt(decision).check(SeamZone(old, new, decision.seam))


@pytest.mark.parametrize(
    ("case", "seam", "hours"),
    [
        # On 8 November one of the two releases also changes the clock, an hour after midnight or at it.
        ((-8 * HOUR, [("2026-10-11T09:00", -9 * HOUR), ("2026-11-08T10:00", -8 * HOUR)], []), "2026-11-08T09:00", 23),
        ((-8 * HOUR, [("2026-10-11T09:00", -9 * HOUR)], [("2026-11-08T10:00", -9 * HOUR)]), "2026-11-08T09:00", 24),
        ((2 * HOUR, [("2026-10-11T00:00", 3 * HOUR), ("2026-11-08T00:00", 2 * HOUR)], []), "2026-11-07T22:00", 25),
    ],
)
def test_a_seam_may_lie_on_the_day_of_a_clock_change(case: tuple[int, Changes, Changes], seam: str, hours: int) -> None:
    """The seam and a clock change cut the same day, and its hours are those of brute force."""
    old, new, stored, candidate = pair(case)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert decision.seam == second(seam)
    assert len(decision.days[0].hours) == hours
    Buckets().fill(stored).expire(stored).adopt(decision).check(SeamZone(old, new, decision.seam))


def test_a_change_by_half_an_hour_begins_at_the_adoption() -> None:
    """Half an hour moves the edges of hours, so what has happened keeps its cut, and the next hour begins with the newer rules."""
    old, new, stored, candidate = pair((-4 * HOUR, [], [("2026-11-15T04:00", -4 * HOUR - 1800)]))
    decision = decide(stored, candidate, KEPT, NOW)
    seam = second("2026-11-28T13:00")
    assert isinstance(decision, AdoptFuture)
    assert decision.first == seam
    assert decision.rules.same_offsets(stored.splice(candidate, seam))
    assert decision.rules.since == date(2026, 11, 28)
    later = NOW + 5 * DAY
    buckets = Buckets().fill(stored).adopt(decision)
    buckets.fill(decision.rules, NOW + 300, later + 300).check(SeamZone(old, new, seam), later)


def test_a_change_by_half_an_hour_that_is_over_changes_nothing_later() -> None:
    """Where both rules agree again, the seam lies in the past and nothing is cut again."""
    _, _, stored, candidate = pair((0, [], [("2026-11-10T00:00", 1800), ("2026-11-20T00:00", 0)]))
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, AdoptFuture)
    assert decision.rules.same_offsets(stored)
    assert decision.rules.since == date(2026, 11, 20)


def test_two_adoptions_in_turn() -> None:
    """The second adoption starts from the seam of the first, and the days are those of brute force with both."""
    old, new, stored, candidate = pair(OLD_EAST)
    first = decide(stored, candidate, KEPT, NOW)
    assert isinstance(first, Recut)
    assert first.seam is not None
    buckets = Buckets().fill(stored).expire(stored).adopt(first)
    seamed = SeamZone(old, new, first.seam)

    later = NOW + 10 * DAY
    newest = made_zone(-8 * HOUR, [*NO_WINTER, ("2026-12-01T09:00", -8 * HOUR)])
    table = rules(newest, "2026c", later)
    buckets.fill(first.rules, NOW + 300, later + 300).expire(first.rules, later)
    second_one = decide(first.rules, table, KEPT, later)
    assert isinstance(second_one, Recut)
    assert second_one.rules.release == "2026c"
    assert second_one.rules.since == date(2026, 11, 8)  # what was cut by the first release is as old as before
    buckets.adopt(second_one).check(SeamZone(seamed, newest, second("2026-11-25")), later)


def test_a_seam_is_forgotten_when_no_day_before_it_is_kept() -> None:
    """The next release is adopted without a seam once all days that were cut by the old rules have gone."""
    _, new, stored, candidate = pair(OLD_WEST)
    table = decide(stored, candidate, KEPT, NOW).rules
    assert table.since is not None
    later = NOW + 61 * DAY
    again = decide(table, rules(new, "2026c", later), KEPT, later)
    assert isinstance(again, AdoptFuture)
    assert again.rules.since is None
