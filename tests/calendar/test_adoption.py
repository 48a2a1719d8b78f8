"""Decisions about newer rules: the days that are cut again, the table that is stored, and the releases that count."""

from datetime import date

import pytest

from sidedata.calendar.adoption import AdoptFuture, AdoptName, Keep, Recut, decide
from sidedata.calendar.rules import ZoneRules, read_rules
from sidedata.calendar.zones import Zone
from tests.support.zones.buckets import (
    CHISINAU,
    DAY,
    EAST,
    KEPT,
    NOW,
    OLD_EAST,
    OLD_WEST,
    SUMMER,
    WEST,
    Buckets,
    pair,
    rules,
)
from tests.support.zones.files import Changes, made_zone, second


@pytest.mark.parametrize("case", [EAST, WEST, CHISINAU], ids=["east", "west", "chisinau"])
def test_days_whose_hours_are_kept_become_those_of_the_newer_rules(case: tuple[int, Changes, Changes]) -> None:
    """After the adoption all days are what a fresh installation with the newer rules has, without a seam."""
    _, new, stored, candidate = pair(case)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert (decision.seam, decision.rules) == (None, candidate)
    Buckets().fill(stored).expire(stored).adopt(decision).check(new)


def test_days_that_differ_in_their_hours_alone_are_cut_again() -> None:
    """A clock change that moves by an hour within its day leaves the days' keys and changes one day's hours."""
    _, _, stored, candidate = pair(CHISINAU)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert [date.fromordinal(day.ordinal) for day in decision.days] == [date(2026, 11, 22)]
    assert decision.obsolete == ()


def test_days_before_the_change_are_left_alone() -> None:
    """Days are cut again from the day of the change to the present one, and the old keys of all but the first go."""
    _, _, stored, candidate = pair(EAST)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    dates = [date.fromordinal(day.ordinal) for day in decision.days]
    assert (dates[0], dates[-1], len(dates)) == (date(2026, 11, 15), date(2026, 11, 28), 14)
    assert len(decision.obsolete) == 13
    assert all(Zone(stored).day(start).start == start for start in decision.obsolete)


def test_rules_that_differ_in_the_future_alone_touch_no_bucket() -> None:
    """A change that is announced in time is a table to be written, and what has happened is cut alike by both."""
    _, new, stored, candidate = pair((0, SUMMER, [*SUMMER, ("2026-11-30T01:00", 0)]))
    decision = decide(stored, candidate, KEPT, NOW)
    assert decision == AdoptFuture(candidate, second("2026-11-30T01:00"))
    Buckets().fill(stored).check(new)


def test_a_change_later_today_touches_no_bucket() -> None:
    """The day's key and the hours that have begun are the same under both, though the day ends elsewhere."""
    _, new, stored, candidate = pair((0, SUMMER, [*SUMMER, ("2026-11-28T15:00", 0)]))
    decision = decide(stored, candidate, KEPT, NOW)
    assert decision == AdoptFuture(candidate, second("2026-11-28T15:00"))
    later = NOW + 2 * DAY
    Buckets().fill(stored).fill(candidate, NOW, later + 300).check(new, later)


def test_a_newer_release_with_the_same_offsets_is_adopted_by_name() -> None:
    """The stored table stays to the letter, with the name of the newer release."""
    _, _, stored, candidate = pair((0, SUMMER, SUMMER))
    decision = decide(stored, candidate, KEPT, NOW)
    assert decision == AdoptName(stored._replace(release="2026b"))
    later = NOW + 10 * DAY
    newer = rules(made_zone(0, SUMMER), "2026b", later)
    assert newer.start > stored.start
    assert decide(stored, newer, KEPT, later) == AdoptName(stored._replace(release="2026b"))


@pytest.mark.parametrize(
    ("stored_release", "release"),
    [
        ("2026b", "2026a"),
        ("2026a", "2025z"),
        ("2026za", "2026z"),
        ("2026a", "unknown"),
        ("2026a", "2026a"),
        ("unknown", "unknown"),
    ],
)
def test_what_is_not_newer_never_replaces(stored_release: str, release: str) -> None:
    """An older release, the same one, and data that name none leave the stored table alone, whatever they say."""
    _, _, stored, candidate = pair(EAST)
    stored = stored._replace(release=stored_release)
    assert decide(stored, candidate._replace(release=release), KEPT, NOW) == Keep(stored)


def test_a_named_release_replaces_data_that_name_none() -> None:
    """A table of an unknown release is older than any other."""
    _, _, stored, candidate = pair(EAST)
    assert isinstance(decide(stored._replace(release="unknown"), candidate, KEPT, NOW), Recut)


def test_a_new_organization_gets_the_table_as_it_is() -> None:
    """Without a table and without events there is nothing to cut."""
    _, _, _, candidate = pair(EAST)
    assert decide(None, candidate, KEPT, NOW) == AdoptFuture(candidate, None)


def test_a_table_grows_with_the_years() -> None:
    """In a new year the same release gives a table that reaches further; an older one gives none, and a seam stays."""
    old, _, stored, _ = pair(EAST)
    stored = stored._replace(since=date(2026, 11, 20))
    year = second("2027-01-01T00:00:05")
    grown = rules(old, "2026a", year)
    assert decide(stored, grown, KEPT, year) == AdoptFuture(grown._replace(since=stored.since), None)
    assert decide(stored, rules(old, "2025z", year), KEPT, year) == Keep(stored)


def test_longer_retention_gets_a_longer_table() -> None:
    """Where days are kept longer than before, the table begins earlier."""
    old, _, stored, _ = pair(EAST)
    longer = read_rules("Test/Zone", "2026a", old, stored.start - 300 * DAY, stored.end)
    assert decide(stored, longer, KEPT._replace(day=360 * DAY), NOW) == AdoptFuture(longer, None)


def test_adopting_twice_changes_nothing() -> None:
    """The table that an adoption leaves is kept when the same release comes again, from whichever worker."""
    for case in (EAST, WEST, CHISINAU, OLD_EAST, OLD_WEST):
        _, _, stored, candidate = pair(case)
        table = decide(stored, candidate, KEPT, NOW).rules
        assert decide(table, candidate, KEPT, NOW) == Keep(table)
        assert decide(table, stored, KEPT, NOW) == Keep(table)
        assert ZoneRules.decode(table.encode()) == table
