"""Sections 3 and 5 of the contract by hand: the effective interval, its edges, and intervals that are refused."""

from datetime import datetime, timedelta

import pytest

from tests.support.events import PAGES, rfc3339, view
from tests.support.figures import MICRO, nonzero
from tests.support.pipeline import Pipeline


@pytest.mark.holds("1.0.6", "3.0.9", "4.1", "4.5")
async def test_rims_count_only_what_lies_inside(pipe: Pipeline) -> None:
    """12:07:30 to 12:31:01 is widened to 12:05 to 12:35; of the hour and the day, only that counts."""
    minutes = ["04:59.999999", "05:00", "34:59.999999", "35:00"]
    await pipe.apply([view(f"2024-06-05T12:{text}Z", f"v{i}") for i, text in enumerate(minutes)])
    reply = await pipe.ask(PAGES, "2024-06-05T12:07:30", "2024-06-05T12:31:01")
    assert reply.effective == "2024-06-05T12:05:00+00:00/2024-06-05T12:35:00+00:00"
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {12: 2}
    assert reply.json["unique_visitors_count"] == 2
    # An end on an edge stays there, a microsecond more takes the next 5 minutes along.
    assert (await pipe.ask(PAGES, "2024-06-05T12:05", "2024-06-05T12:35")).json["unique_visitors_count"] == 2
    reply = await pipe.ask(PAGES, "2024-06-05T12:05", "2024-06-05T12:35:00.000001")
    assert reply.json["unique_visitors_count"] == 3


@pytest.mark.holds("5.1", "5.2", "5.3", "5.4")
async def test_rims_widen_with_their_age(plain: Pipeline) -> None:
    """Two events 10 minutes apart in one hour: distinct an hour ago, in one hour 20 days ago, in one day 100 days ago."""
    await plain.organization("Asia/Kolkata")
    now = await plain.now()
    for age, visitors in ((timedelta(hours=26), 1), (timedelta(days=20), 2), (timedelta(days=100), 3)):
        hour = (now - age).replace(minute=30, second=0, microsecond=0)  # an hour of Kolkata begins at :30
        day = hour - timedelta(hours=(hour + timedelta(hours=5, minutes=30)).hour)
        elsewhere = day if hour != day else day + timedelta(hours=1)
        await plain.apply(
            [view(hour, "a"), view(hour + timedelta(minutes=10), "b"), view(elsewhere + timedelta(minutes=1), "c")]
        )
        reply = await plain.ask(PAGES, rfc3339(hour), rfc3339(hour + MICRO))
        start, end = (datetime.fromisoformat(text) for text in reply.effective.split("/"))
        begin, seconds = {1: (hour, 300), 2: (hour, 3600), 3: (day, 86400)}[visitors]
        assert (start, end) == (begin, begin + timedelta(seconds=seconds))
        assert reply.json["unique_visitors_count"] == visitors


@pytest.mark.holds("3.0.5")
async def test_the_start_is_never_before_the_oldest_day(plain: Pipeline) -> None:
    """Asked from 450 days ago on, the effective start is the local day of 400 days ago; wholly before it is a 400."""
    await plain.organization("Asia/Kolkata")
    now = await plain.now()
    await plain.apply(view(now - timedelta(days=399)))
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(days=450)), rfc3339(now - timedelta(days=390)))
    oldest = (now - timedelta(days=400) + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT00:00:00+05:30")
    assert reply.effective.startswith(oldest)
    assert reply.json["unique_visitors_count"] == 1
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(days=450)), rfc3339(now - timedelta(days=402)))
    assert reply.status == 400


@pytest.mark.holds("3.0.4")
async def test_an_end_in_the_future_is_fine(plain: Pipeline) -> None:
    """An interval that reaches far ahead counts what there is, and says what it covers."""
    now = await plain.now()
    await plain.apply(view(now - timedelta(minutes=1)))
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(hours=1)), rfc3339(now + timedelta(days=300)))
    assert (reply.status, reply.json["unique_visitors_count"]) == (200, 1)
    assert datetime.fromisoformat(reply.effective.split("/")[1]) >= now + timedelta(days=300)
    reply = await plain.ask(PAGES, rfc3339(now + timedelta(days=1)), rfc3339(now + timedelta(days=2)))
    assert (reply.status, reply.json["unique_visitors_count"]) == (200, 0)


@pytest.mark.holds("3.0.4")
@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2024-06-05", "2024-06-05", 400),
        ("2024-06-06", "2024-06-05", 400),
        ("2024-06-05T00:00:00+02:00", "2024-06-04T22:00:00Z", 400),
        ("2024-06-05T00:00:00+02:00", "2024-06-04T22:00:00.000001Z", 200),
        ("2023-01-01", "2024-02-05", 200),  # 400 days
        ("2023-01-01", "2024-02-05T00:00:00.000001", 400),
        ("2023-01-01T00:00:00+02:00", "2024-02-05T00:00:00.000001+02:00", 400),
        ("2023-01-01T00:00:00Z", "2024-02-05T00:00:00.000001", 400),
    ],
)
async def test_intervals_that_make_no_sense(pipe: Pipeline, start: str, end: str, status: int) -> None:
    """The end is after the start, by 400 times 24 hours at most; it is named alike with and without offsets."""
    await pipe.workflow(PAGES, "page_navigation")
    reply = await pipe.ask(PAGES, start, end)
    assert reply.status == status
    if status == 400:
        assert [error["pointer"] for error in reply.json["errors"]] == ["/interval/end"]


@pytest.mark.holds("3.0.3", "3.0.4")
@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2023-10-28T00:00", "2024-12-01T00:00", 400),  # 400 days by the calendar, and the hour that came back
        ("2023-10-28T01:00", "2024-12-01T00:00", 200),
        ("2023-03-01T00:00", "2024-04-04T01:00", 200),
        ("2023-03-01T00:00", "2024-04-04T01:00:00.000001", 400),
        ("2024-03-31T03:30", "2024-03-31T04:00", 400),  # the time that was skipped lies behind
        ("2024-10-27T03:30", "2024-10-27T03:00+02:00", 200),  # the first of two times of that name
    ],
)
async def test_local_intervals_are_as_long_as_they_last(pipe: Pipeline, start: str, end: str, status: int) -> None:
    """Where clocks change in Helsinki, the instants decide and not the local times."""
    await pipe.organization("Europe/Helsinki")
    await pipe.workflow(PAGES, "page_navigation")
    assert (await pipe.ask(PAGES, start, end)).status == status
