"""Records without a table: the keys of days tell by which rules they were cut."""

from sidedata.calendar.adoption import AdoptFuture, Keep, Recut, decide
from sidedata.calendar.explanation import explain_days
from sidedata.calendar.rules import UNKNOWN
from sidedata.calendar.zones import Zone
from tests.support.zones.buckets import CHISINAU, DAY, EAST, EDGE, KEPT, NOW, WEST, Buckets, pair
from tests.support.zones.files import HOUR, Changes, second


def test_day_keys_tell_the_table_that_cut_them() -> None:
    """Of the tables that machines hold, the one under which all day keys are midnights is the one in use."""
    _, _, stored, candidate = pair(EAST)
    for table in (stored, candidate):
        found = explain_days(Buckets().fill(table).days, [candidate, stored])
        assert found.rules == table
        assert found.strays == ()
    assert explain_days([], [candidate, stored]).rules == candidate


def test_an_installation_that_was_updated_has_days_of_both() -> None:
    """Day keys of the old rules up to a day and of the new ones after it make one table, and adoption then cuts what it can."""
    for case in (EAST, WEST):
        _, new, stored, candidate = pair(case)
        buckets = Buckets().fill(stored, EDGE, second("2026-11-20T12:00")).fill(candidate, second("2026-11-20T12:00"))
        found = explain_days(buckets.days, [candidate, stored])
        decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
        assert isinstance(decision, Recut)
        buckets.expire(stored).adopt(decision).check(new)


def test_days_of_processes_side_by_side_are_strays_and_are_cut_again() -> None:
    """Workers of both rules leave days twice; the hours hold everything, and no stray is left, under both tables."""
    for case in (EAST, WEST):
        _, new, stored, candidate = pair(case)
        for most, few in ((stored, candidate), (candidate, stored)):
            buckets = Buckets().fill(most)
            for start, seen in Buckets().fill(few, second("2026-11-16T00:00"), second("2026-11-24T00:00")).days.items():
                buckets.days[start] |= seen  # each worker adds events to days of its own
            found = explain_days(buckets.days, [candidate, stored])
            assert found.rules == most
            assert found.strays
            decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
            assert isinstance(decision, Recut)
            buckets.expire(stored).adopt(decision).check(new)


def test_hours_that_were_cut_both_ways_are_doubtful() -> None:
    """Where only the hours of a day differ, its key tells nothing, so that day is cut again in any case."""
    _, new, stored, candidate = pair(CHISINAU)
    buckets, mixed = Buckets().fill(stored), Buckets().fill(candidate)
    for start, fields in mixed.fields.items():
        for hour, seen in fields.items():
            buckets.fields[start][hour] |= seen
    found = explain_days(buckets.days, [candidate, stored])
    assert (found.rules, found.strays) == (candidate, ())
    decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
    assert isinstance(decision, Recut)
    assert len(decision.days) == 1
    buckets.expire(stored).adopt(decision).check(new)


def test_strays_without_hours_are_left_to_expire() -> None:
    """Where the hours have gone there is nothing to mend days from, and the table stays as it is."""
    _, _, stored, _ = pair(EAST)
    strays = tuple(start + HOUR for start in Buckets().fill(stored, EDGE, NOW - 30 * DAY).days)
    assert decide(stored, stored, KEPT, NOW, strays) == Keep(stored)


def test_the_newest_days_tell_their_table_where_no_machine_has_it_any_more() -> None:
    """A table by which all days to the last are midnights, and the next one, too; none where the last day is explained."""
    for case in (EAST, WEST):
        _, _, stored, candidate = pair(case)
        days = Buckets().fill(stored).days
        found = explain_days(days, [candidate])
        assert found.strays
        assert found.newest is not None
        newest, zone = Zone(found.newest), Zone(stored)
        assert all(newest.day(start).start == start for start in days if start not in found.strays)
        assert all(newest.day(start) == zone.day(start) for start in found.strays)
        assert newest.day(NOW + DAY) == zone.day(NOW + DAY)
        assert explain_days(days, [candidate, stored]).newest is None
        assert explain_days({*days, Zone(candidate).day(NOW + DAY).start}, [candidate]).newest is None


def test_days_apart_by_half_an_hour_tell_the_table() -> None:
    """It is the table, of an unknown release, from the change of the clocks on that the machine's table has."""
    for change in ("2026-11-11T06:00", "2026-11-11T19:10"):
        case: tuple[int, Changes, Changes] = (5 * HOUR, [], [(change, 5 * HOUR + HOUR // 2)])
        _, _, stored, candidate = pair(case)
        days = Buckets().fill(stored).days
        quiet = [start for start in days if not second("2026-11-08T00:00") < start < second("2026-11-15T00:00")]
        for starts in (days, quiet):
            found = explain_days(starts, [candidate])
            assert (found.rules.release, found.strays) == (UNKNOWN, ())
            assert not found.rules.differences(stored)
        decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
        assert isinstance(decision, AdoptFuture)
        assert decision.first is not None
        assert NOW < decision.first <= NOW + 2 * HOUR
        assert [first for first, _ in decision.rules.differences(stored)] == [decision.first]
