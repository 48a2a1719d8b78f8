"""Segments of timelines: shared by intervals, dropped when a bucket of theirs changes, and never seen in an answer."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from sidedata.calendar.levels import Retention
from sidedata.calendar.tiling import Span
from sidedata.calendar.zones import zone
from sidedata.events.decode import Kind
from sidedata.schema.bucket_fields import BucketField
from sidedata.service.report.plan import make_plan
from sidedata.service.report.points.point_cache import PointCache
from sidedata.service.report.points.segment import Segment
from sidedata.service.report.timeline.plan import TimelinePlan, make_timeline_plan
from sidedata.service.report.timeline.spans import Granularity
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, bought, interaction, started, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import NOW, application, served

ZONE = "Europe/Helsinki"
HOUR, DAY = 3600, 86_400
GRANULARITIES: tuple[Granularity, ...] = ("5min", "hour", "day", "week", "month")


def segment(start: int, end: int) -> Segment:
    """A segment without points."""
    return Segment(f"hour {start} {end} None", Span(start, end), (), ())


@pytest.mark.parametrize(
    ("bucket", "remains"),
    [
        (("hour", 3 * HOUR), [2]),
        (("hour", 2 * HOUR), [1, 2]),
        (("5min", 6 * HOUR - 300), [2]),
        (("5min", 6 * HOUR), [0, 2]),
        (("day", 9 * HOUR), [0]),
        (("day", 40 * HOUR), [0, 1, 2]),
    ],
)
def test_a_changed_bucket_drops_the_segments_that_it_overlaps(bucket: tuple[str, int], remains: list[int]) -> None:
    """Two share an hour; a day reaches over what follows it; all others stay."""
    cache = PointCache()
    segments = [segment(2 * HOUR, 6 * HOUR), segment(3 * HOUR, 12 * HOUR), segment(20 * HOUR, 30 * HOUR)]
    cache.encoded(segments, lambda missing: [b"{}" for _ in missing])
    cache.invalidate([bucket])  # type: ignore[list-item] # a level
    assert [index for index, made in enumerate(segments) if not cache.missing([made])] == remains
    assert cache.size == len(remains) * (300 + 2)


def plans(days: float, granularity: Granularity, kind: Kind = "page_navigation") -> TimelinePlan:
    """The plan over the last days before the tests' clock."""
    retention = Retention.of(Settings())
    helsinki = zone(ZONE)
    end = helsinki.moment(int(NOW))
    report = make_plan(helsinki, kind, end - timedelta(days=days), end, NOW, retention)
    return make_timeline_plan(report, granularity, NOW, retention)


def test_polls_of_one_second_share_a_plan() -> None:
    """The same question has the same plan, another granularity or interval its own."""
    assert plans(30, "hour") is plans(30, "hour")
    assert len({id(plans(days, granularity)) for days in (29.0, 30.0) for granularity in ("hour", "day")}) == 4


@pytest.mark.parametrize(
    ("days", "granularity"), [(1.9, "5min"), (30, "hour"), (30, "day"), (300, "week"), (300, "month")]
)
def test_segments_tile_the_interval_and_are_shared(days: float, granularity: Granularity) -> None:
    """Adjacent, without a gap; another interval has all but the first ones in common, as the same objects."""
    one, other = plans(days, granularity), plans(days - 0.3, granularity)
    ends = [one.plan.tiling.effective.start, *(made.span.end for made in one.segments)]
    assert ends[:-1] == [made.span.start for made in one.segments]
    assert ends[-1] == one.plan.tiling.effective.end
    shared = {id(made) for made in one.segments} & {id(made) for made in other.segments}
    assert len(shared) >= len(one.segments) - 2
    assert all(made.points for made in one.segments)


def test_hours_of_pages_need_sessions_and_the_counts_of_days_alone() -> None:
    """The visitors of a whole hour are a stored count, so no sketch of them is read."""
    fields = {field for made in plans(20, "hour").segments[1:-1] for field in made.fields}
    assert {(field.level, field.name) for field in fields} == {("hour", "sessions"), ("day", "counts")}
    days = {field for made in plans(20, "day").segments[1:-1] for field in made.fields}
    assert {(field.level, field.name) for field in days} == {("day", "sessions"), ("day", "counts")}
    assert all(isinstance(field, BucketField) for field in fields | days)


@asynccontextmanager
async def fresh(pipe: Pipeline) -> AsyncIterator[aiohttp.ClientSession]:
    """Another service on the same Redis, which has answered nothing yet."""
    app = application(pipe.client, pipe.installation, pipe.settings)
    headers = {"Authorization": pipe.http.headers["Authorization"]}
    async with served(app) as base, aiohttp.ClientSession(base, headers=headers) as http:
        yield http


async def ask(http: aiohttp.ClientSession, where: str, query: dict[str, str], accept: str) -> tuple[str, str]:
    """Ask for an entity tag and a body: again after a 503, as on a machine that has other work."""
    for _ in range(10):
        async with http.get(where, params=query, headers={"Accept": accept}) as response:
            if response.status != 503:
                assert response.status == 200, await response.text()
                return response.headers["ETag"], await response.text()
    raise AssertionError("ten answers of 503")


@pytest.mark.undeployed("the second service logs in as Redis's default user")
async def test_answers_do_not_depend_on_what_was_asked_before(redis_url: str) -> None:
    """After each of some commits, near now and long ago, a service with caches gives what a fresh one gives, entity tags too."""
    dice = random.Random(3)
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.organization(ZONE)
        now = await pipe.now()
        for turn in range(6):
            events = []
            for number in range(40):
                at = now - timedelta(days=dice.choice((0.05, 1.5, 25))) * dice.random()
                ids = {"visitor": f"v{dice.randrange(60)}", "session": f"s{turn}-{number % 9}"}
                events += [view(at, **ids), started(at, **ids), interaction(at, **ids)]
                events.append(bought(at, f"{number}.01", dice.choice(["EUR", "USD"]), **ids))
            await pipe.apply(events)
            questions = []
            for granularity, days in zip(GRANULARITIES, (1.2, 26, 29, 60, 200), strict=True):
                start = now - timedelta(days=days * (0.8 + 0.2 * dice.random()))
                end = now + timedelta(hours=dice.choice((-3, 0, 5)))
                query = {"start": start.isoformat(), "end": end.isoformat(), "granularity": granularity}
                for workflow in (PAGES, POPUP):
                    where = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{workflow}/sidedata/timeline/"
                    questions += [(where, query, accept) for accept in ("application/json", "text/csv")]
            async with fresh(pipe) as other:
                for where, query, accept in questions:
                    answers = [await ask(http, where, query, accept) for http in (pipe.http, other)]
                    assert answers[0] == answers[1], (where, query)
