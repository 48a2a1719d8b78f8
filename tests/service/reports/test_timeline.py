"""Timelines: each point is the report over its span, and the form of the answer is as promised."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tests.support.events import PAGES, POPUP, view
from tests.support.pipeline import pipeline
from tests.support.timelines import ZONE, ask, figures, fill


@pytest.mark.holds("3.2.1", "3.2.2", "3.2.3", "3.2.4", "3.2.6")
async def test_each_point_is_the_report_over_its_span(redis_url: str) -> None:
    """All granularities and both kinds: adjacent spans over the whole effective interval, each with the single answer's figures."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        compared = 0
        for granularity, ago in (("5min", 5), ("hour", 47), ("day", 24 * 37), ("week", 24 * 39), ("month", 24 * 39)):
            start, end = (
                now - timedelta(hours=ago, minutes=17),
                now + timedelta(hours=3 if granularity != "month" else 900),
            )
            for workflow, kind in ((PAGES, "page"), (POPUP, "popup")):
                answer = await ask(pipe, workflow, start, end, granularity)
                assert answer.status == 200, answer.text
                assert answer.json["granularity"] == granularity
                points = answer.json["points"]
                assert f"{points[0]['start']}/{points[-1]['end']}" == answer.effective
                assert all(before["end"] == after["start"] for before, after in pairwise(points))
                for point in points:
                    single = await pipe.ask(workflow, point["start"], point["end"])
                    if single.effective != f"{point['start']}/{point['end']}":
                        continue
                    found = {name: value for name, value in point.items() if name not in ("start", "end")}
                    assert found == figures(single.json, kind), (granularity, point)
                    compared += 1
        assert compared > 250


@pytest.mark.holds("3.2.1", "3.2.4")
async def test_points_follow_changes(redis_url: str) -> None:
    """A late event shows in its day, and no other point moves."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        start, end = now - timedelta(days=5), now
        before = (await ask(pipe, PAGES, start, end, "day")).json["points"]
        await pipe.apply(view(now - timedelta(days=2), "somebody new", "a new session"))
        after = (await ask(pipe, PAGES, start, end, "day")).json["points"]
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    # An estimate of some hundred may rise by more than the one.
    assert 1 <= changed[0][1]["unique_visitors_count"] - changed[0][0]["unique_visitors_count"] <= 3


async def test_points_are_local(redis_url: str) -> None:
    """Days begin at local midnight, weeks on Monday, months on the first; a day of a clock change has 23 or 25 hours."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.organization(ZONE)
        await pipe.workflow(PAGES, "page_navigation")
        end = await pipe.now()
        start = end - timedelta(days=390)
        for granularity in ("day", "week", "month"):
            points = (await ask(pipe, PAGES, start, end, granularity)).json["points"]
            lengths = set()
            for point in points[1:]:
                local = datetime.fromisoformat(point["start"])
                assert local == local.astimezone(ZoneInfo(ZONE))
                assert (local.hour, local.minute) == (0, 0)
                assert granularity != "week" or local.weekday() == 0
                assert granularity != "month" or local.day == 1
                lengths.add(datetime.fromisoformat(point["end"]) - local)
            if granularity == "day":
                hours = timedelta(hours=1)
                assert {23 * hours, 24 * hours, 25 * hours} <= lengths


@pytest.mark.holds("3.2.5")
@pytest.mark.parametrize(
    ("days", "length", "granularity", "finest"),
    [
        (1, 1, "5min", None),
        (3, 1, "5min", "hour"),
        (1.9, 20, "5min", "hour"),
        (30, 30, "hour", None),
        (40, 40, "hour", "day"),
        (30, 60, "hour", "day"),
        (390, 390, "day", None),
        (390, 390, "week", None),
    ],
)
async def test_a_granularity_that_is_too_fine_is_refused(
    redis_url: str, days: float, length: float, granularity: str, finest: str | None
) -> None:
    """By the age of the interval's start and by the number of points; the refusal names the finest that is allowed."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        now = await pipe.now()
        start = now - timedelta(days=days)
        answer = await ask(pipe, PAGES, start, start + timedelta(days=length), granularity)
    if finest is None:
        assert answer.status == 200
        assert len(answer.json["points"]) <= 1_000
    else:
        assert answer.status == 400
        [error] = answer.json["errors"]
        assert error["pointer"] == "/granularity"
        assert error["detail"].endswith(f"is {finest}")
