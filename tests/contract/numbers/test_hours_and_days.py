"""Section 4 of the contract by hand: hours and weekdays in zones of all kinds, clock changes included."""

from datetime import datetime, timedelta

import pytest

from tests.support.events import PAGES, rfc3339, view
from tests.support.figures import MICRO, nonzero, stat
from tests.support.pipeline import Pipeline


@pytest.mark.holds("1.0.7", "4.3")
@pytest.mark.parametrize("start", ["2024-10-27", "2024-10-27T00:30", "2024-10-27T03:00"])
async def test_an_hour_that_comes_twice_counts_twice(pipe: Pipeline, start: str) -> None:
    """Helsinki, 2024-10-27: 03:30 is 00:30Z and again 01:30Z. One visitor in both: 1 + 1 at 3, and once in the day.

    From midnight the whole day is one bucket, from 00:30 or 03:00 (the first of the two) hours make it up.
    """
    await pipe.organization("Europe/Helsinki")
    await pipe.apply([view("2024-10-27T00:30:00Z"), view("2024-10-27T01:30:00Z"), view("2024-10-27T02:30:00Z", "v2")])
    reply = await pipe.ask(PAGES, start, "2024-10-28")
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {3: 2, 4: 1}
    assert reply.json["unique_visitors_count"] == 2
    assert reply.effective.endswith("/2024-10-28T00:00:00+02:00")
    assert reply.effective.startswith(f"{datetime.fromisoformat(start).isoformat()}+03:00")


@pytest.mark.holds("1.0.7", "4.3")
async def test_a_doubled_hour_is_in_the_day_bucket(coarse: Pipeline) -> None:
    """The same where days alone are kept, after the hours are gone from the plan."""
    await coarse.organization("Europe/Helsinki")
    await coarse.apply([view("2024-10-27T00:30:00Z"), view("2024-10-27T01:30:00Z")])
    await coarse.apply([view("2024-10-27T01:40:00Z"), view("2024-10-27T01:41:00Z", "v2")])
    assert nonzero((await stat(coarse, "2024-10-27T05:00", "2024-10-27T06:00"))["hour_in_day"]) == {3: 3}


@pytest.mark.holds("1.0.9", "4.3", "4.4")
async def test_hours_and_weekdays_are_summed_by_index(pipe: Pipeline) -> None:
    """A visitor on Monday and Tuesday at 14 counts 2 at 14, 1 on either weekday; two Mondays add up."""
    days = ["2024-06-03", "2024-06-04", "2024-06-10"]  # Monday, Tuesday, Monday
    await pipe.apply([view(f"{day}T14:{minute}:00Z") for day in days for minute in ("05", "06", "55")])
    answer = (await pipe.ask(PAGES, "2024-06-01", "2024-06-30")).json
    assert nonzero(answer["timeframe_stat"]["hour_in_day"]) == {14: 3}
    assert nonzero(answer["timeframe_stat"]["day_in_week"]) == {1: 2, 2: 1}
    assert [index for _, index in answer["timeframe_stat"]["hour_in_day"]] == list(range(24))
    assert [index for _, index in answer["timeframe_stat"]["day_in_week"]] == list(range(1, 8))
    assert answer["unique_visitors_count"] == 1
    assert list(answer["timeframe_stat"]) == ["day_in_week", "hour_in_day"]


@pytest.mark.holds("4.4")
async def test_weekdays_are_there_from_two_local_days_on(pipe: Pipeline) -> None:
    """In New York 03:59Z and 04:00Z of June 5th are two days; the effective interval decides, not the one asked for."""
    await pipe.organization("America/New_York")
    await pipe.apply(view("2024-06-05T03:59:59Z"), view("2024-06-05T04:00:00Z"))
    assert "day_in_week" not in await stat(pipe, "2024-06-05T00:00-04:00", "2024-06-06T00:00-04:00")
    assert "day_in_week" not in await stat(pipe, "2024-06-05T03:00Z", "2024-06-05T04:00Z")
    two = await stat(pipe, "2024-06-05T03:55Z", "2024-06-05T04:00:00.000001Z")
    assert nonzero(two["day_in_week"]) == {2: 1, 3: 1}
    assert nonzero(two["hour_in_day"]) == {23: 1, 0: 1}


@pytest.mark.holds("1.0.10")
@pytest.mark.parametrize(
    ("zone", "begins", "offset"),
    [
        ("Asia/Kolkata", "04:30", "+05:30"),
        ("Asia/Kathmandu", "04:15", "+05:45"),
        ("America/St_Johns", "12:30", "-02:30"),
    ],
)
async def test_zones_with_odd_offsets(pipe: Pipeline, zone: str, begins: str, offset: str) -> None:
    """Hours of zones with :30 and :45 offsets begin where their own clocks say: 10:00 there is `begins` in UTC."""
    await pipe.organization(zone)
    ten = datetime.fromisoformat(f"2024-06-05T{begins}Z")
    times = [ten - MICRO, ten, ten + timedelta(hours=1) - MICRO, ten + timedelta(hours=1)]
    await pipe.apply([view(at, f"v{i}") for i, at in enumerate(times)])
    reply = await pipe.ask(PAGES, "2024-06-05T10:00", "2024-06-05T11:00")
    assert reply.effective == f"2024-06-05T10:00:00{offset}/2024-06-05T11:00:00{offset}"
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {10: 2}
    assert nonzero((await stat(pipe, "2024-06-05", "2024-06-06"))["hour_in_day"]) == {9: 1, 10: 2, 11: 1}


@pytest.mark.holds("1.0.8")
async def test_half_an_hour_at_a_clock_change(pipe: Pipeline) -> None:
    """Lord Howe, 2024-04-07: 01:30 to 02:00 comes twice (14:30Z at +11, 15:00Z at +10:30), two hours of index 1."""
    await pipe.organization("Australia/Lord_Howe")
    await pipe.apply([view("2024-04-06T14:45:00Z"), view("2024-04-06T15:15:00Z"), view("2024-04-06T15:30:00Z")])
    reply = await pipe.ask(PAGES, "2024-04-07T01:00+11:00", "2024-04-07T03:00+10:30")
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {1: 2, 2: 1}
    assert reply.effective == "2024-04-07T01:00:00+11:00/2024-04-07T03:00:00+10:30"
    assert nonzero((await stat(pipe, "2024-04-07", "2024-04-08"))["hour_in_day"]) == {1: 2, 2: 1}


@pytest.mark.holds("5.3", "5.7")
async def test_old_days_keep_their_hours(plain: Pipeline) -> None:
    """300 days ago, over several batches: `hour_in_day` of the day is exact, a visitor once in each hour."""
    day = (await plain.now() - timedelta(days=300)).replace(hour=0, minute=0, second=0, microsecond=0)
    for minute in (1, 2, 59):
        await plain.apply(
            [view(day + timedelta(hours=h, minutes=minute), f"v{n}") for h in (0, 7, 23) for n in range(h + 1)]
        )
    reply = await plain.ask(PAGES, rfc3339(day), rfc3339(day + timedelta(days=1)))
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {0: 1, 7: 8, 23: 24}
    assert reply.json["unique_visitors_count"] == 24
