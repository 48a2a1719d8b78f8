"""Section 2 of the contract by hand: which timestamps of events are read, and into which 5 minutes they fall."""

import pytest

from tests.support.events import started
from tests.support.figures import starts
from tests.support.pipeline import Pipeline

TIMES: list[tuple[str, str | None]] = [
    ("2024-06-05T10:00:00Z", "10:00"),
    ("2024-06-05t10:00:00z", "10:00"),
    ("2024-06-05T12:00:00+02:00", "10:00"),
    ("2024-06-05T15:45:00+05:45", "10:00"),
    ("2024-06-05T06:30:00.5-03:30", "10:00"),
    ("2024-06-06T09:59:00+23:59", "10:00"),
    ("2024-06-05T10:00:00-00:00", "10:00"),
    ("2024-06-05T10:04:59.999999Z", "10:00"),
    ("2024-06-05T10:04:59.9999999Z", "10:00"),  # cut, not rounded up to 10:05
    ("2024-06-05T10:04:59." + "9" * 300 + "Z", "10:00"),
    ("2024-06-05T10:05:00.000000Z", "10:05"),
    ("2024-06-05T10:00:00", None),
    ("2024-06-05T10:00Z", "10:00"),
    ("2024-06-05", None),
    ("2024-06-05T12:00:00+0200", "10:00"),
    ("2024-06-05T13:45+0345", "10:00"),
    ("2024-06-05T10:00:00+02000", None),
    ("2024-06-05T10:00.5Z", None),
    ("2024-06-05T10:00:00+02", None),
    ("20240605T100000Z", None),
    ("2024-06-05T10:00:00,5Z", None),
    ("2024-06-05T10:00:00.Z", None),
    ("2024-06-05T24:00:00Z", None),
    ("2024-06-05T10:60:00Z", None),
    ("2024-06-31T10:00:00Z", None),
    ("2023-02-29T10:00:00Z", None),
    ("2024-13-01T10:00:00Z", None),
    ("2024-06-05T10:00:00+24:00", None),
    ("2024-06-05T10:00:00+02:60", None),
    (" 2024-06-05T10:00:00Z", None),
    ("2024-06-05T10:00:00Z\n", None),
    ("٢٠٢٤-06-05T10:00:00Z", None),
    ("1717581600", None),
    ("", None),
]


@pytest.mark.holds("2.0.7")
async def test_timestamps(pipe: Pipeline) -> None:
    """RFC 3339 and two forms more; digits beyond microseconds are cut off. Each lands in its 5 minutes."""
    await pipe.apply([started(text) for text, _ in TIMES])
    for slot, until in (("10:00", "10:05"), ("10:05", "10:10")):
        expected = sum(place == slot for _, place in TIMES)
        assert await starts(pipe, interval=(f"2024-06-05T{slot}", f"2024-06-05T{until}")) == expected
    assert await starts(pipe) == sum(place is not None for _, place in TIMES)
    dead = [letter.fields["event"] for letter in await pipe.letters()]
    assert sorted(dead) == sorted(started(text) for text, place in TIMES if place is None)


async def test_events_from_the_edge_of_time_are_no_crash(plain: Pipeline) -> None:
    """Years 1 and 9999 with offsets that lead out of the calendar are letters like any other."""
    texts = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    await plain.apply([started(text) for text in texts], started(await plain.now()))
    assert len(await plain.reasons()) == 4
    assert set(await plain.reasons()) <= {"too_old", "in_future", "invalid_event"}
