"""Tables of rules: their text, and what is computed from two of them."""

from datetime import date

import pytest

from sidedata.calendar.rules import ZoneRules, read_rules, release_order, table_span
from tests.support.zones.files import HOUR, made_zone, second

NOW = second("2026-11-28T12:00")
DAY = 86400


def test_a_table_reads_plainly() -> None:
    """A stored table names release, zone, seam, each change in UTC with the offset after it, and its end."""
    vienna = made_zone(
        HOUR, [("2026-03-29T01:00", 2 * HOUR), ("2026-10-25T01:00:30", 5400), ("2026-10-26T00:30", -7 * HOUR)]
    )
    rules = read_rules("Europe/Vienna", "2026f", vienna, second("2026-01-01"), second("2027-01-01"))
    text = rules._replace(since=date(2026, 10, 25)).encode()
    assert text == (
        "2026f Europe/Vienna since=2026-10-25; 2026-01-01 +01; 2026-03-29T01Z +02; 2026-10-25T01:00:30Z +01:30; "
        "2026-10-26T00:30Z -07; 2027-01-01"
    )
    assert ZoneRules.decode(text.replace(" since=", " later=1 since=")) == rules._replace(since=date(2026, 10, 25))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026f",
        "2026f UTC",
        "2026f UTC; 2026-01-01",
        "2026f UTC; 2026-01-01 +00",
        "2026f UTC; 2026-01-01 00; 2027-01-01",
        "2026f UTC; 2026-01-01 +0; 2027-01-01",
        "2026f UTC; 2027-01-01 +00; 2026-01-01",
        "2026f UTC; 2026-13-01 +00; 2027-01-01",
        "2026f UTC since; 2026-01-01 +00; 2027-01-01",
    ],
)
def test_what_is_no_table_is_refused(text: str) -> None:
    """A damaged record is a ValueError, never a table that cuts days wrongly."""
    with pytest.raises(ValueError, match=r"."):
        ZoneRules.decode(text)


def test_changes_within_hours_are_all_found() -> None:
    """Two changes within one step of the search are both in the table, to the second."""
    zone = made_zone(0, [("2026-05-01T10:00:07", HOUR), ("2026-05-01T13:59:59", 5400)])
    rules = read_rules("Test/Zone", "unknown", zone, second("2026-04-01"), second("2026-06-01"))
    assert rules.starts[1:] == (second("2026-05-01T10:00:07"), second("2026-05-01T13:59:59"))
    assert rules.offsets == (0, HOUR, 5400)


def rules_of(*changes: tuple[str, int], end: str = "2027-01-01") -> ZoneRules:
    """A table from its changes."""
    starts, offsets = zip(*changes, strict=True)
    return ZoneRules("Test/Zone", "2026a", tuple(second(start) for start in starts), offsets, second(end))


def test_a_seam_holds_the_old_offsets_before_it_and_the_new_ones_after() -> None:
    """A spliced table is the one before the seam and the other after it, and a seam that changes nothing leaves no trace."""
    old = rules_of(("2026-01-01", 0), ("2026-06-01", HOUR))
    new = rules_of(("2026-01-01", 0), ("2026-03-01", HOUR))._replace(release="2026b")
    assert old.differences(new) == [(second("2026-03-01"), second("2026-06-01"))]
    late = old.splice(new, second("2026-07-01"))
    assert late.same_offsets(old)
    assert late.release == "2026b"
    middle = old.splice(new, second("2026-04-01"))
    assert (middle.starts, middle.offsets) == ((second("2026-01-01"), second("2026-04-01")), (0, HOUR))
    assert old.splice(new, second("2026-02-01")).same_offsets(new)
    assert middle.differences(middle) == []


def test_a_table_is_fitted_into_another_span() -> None:
    """A fitted table keeps its own offsets where it has any, and has those of the other one elsewhere."""
    frame = rules_of(("2026-02-01", 0), ("2026-04-01", HOUR), ("2027-04-01", 0), end="2028-01-01")
    stored = rules_of(("2026-01-01", -HOUR), ("2026-03-01", 0))
    fitted = stored.fitted(frame)
    assert (fitted.starts, fitted.end) == (
        tuple(second(text) for text in ("2026-02-01", "2026-03-01", "2027-01-01", "2027-04-01")),
        frame.end,
    )
    assert fitted.offsets == (-HOUR, 0, HOUR, 0)
    later = rules_of(("2026-06-01", -HOUR)).fitted(frame)
    assert later.offsets == (0, HOUR, -HOUR, HOUR, 0)


def test_releases_are_ordered() -> None:
    """Releases ascend by year and letters, the 27th of a year after the 26th, and unknown ones precede all."""
    releases = ["unknown", "1996a", "2025b", "2025c", "2026a", "2026z", "2026za", "2027a"]
    shuffled = [*releases[3:], *releases[:3]]
    assert sorted(shuffled, key=release_order) == releases
    assert release_order("2026f-dirty") == release_order("unknown")


def test_the_end_of_new_tables_moves_once_a_year() -> None:
    """Tables made in the same year end alike, between two and three years ahead."""
    days = [second(text) // DAY for text in ("2026-01-01", "2026-11-28", "2026-12-31", "2027-01-01")]
    ends = [table_span(day - 400, day)[1] for day in days]
    assert ends == [second("2029-01-01")] * 3 + [second("2030-01-01")]
