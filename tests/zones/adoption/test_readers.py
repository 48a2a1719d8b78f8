"""Readers during an adoption: each answer is by one table, the one that its header names, and none of the old cut comes later."""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import pytest

from sidedata.clock import SystemClock
from sidedata.errors import StoreUnavailableError
from sidedata.ingest.zones import switch
from sidedata.redis.gateway import Gateway
from sidedata.service.report.answer import Answer
from sidedata.service.report.overview.overviews import Overviews, Question
from sidedata.service.report.reports import Reports
from sidedata.service.report.timeline.timelines import timeline
from sidedata.settings import Settings
from sidedata.writes import swap as writes
from sidedata.writes.commit import Ownership
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user
from tests.support.waiting import eventually
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life, old_scene

ORGANIZATION = f"/api/reporting/workflow/v1/orgs/{ORG}"
HEADER = "Sidedata-Zone-Rules"


class Got(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: str


def paths(now: datetime) -> list[str]:
    """Report, timeline and overview over local days, the first of them before the change and the last after it."""
    interval = f"start={now.date() - timedelta(days=13)}&end={now.date() - timedelta(days=8)}"
    reports = [f"{ORGANIZATION}/workflows/{workflow}/sidedata/" for workflow in (PAGES, POPUP)]
    timelines = [f"{path}timeline/?{interval}&granularity=day" for path in reports]
    overviews = [f"{ORGANIZATION}/sidedata/?{interval}{points}" for points in ("", "&granularity=day")]
    return [*(f"{path}?{interval}" for path in reports), *timelines, *overviews]


async def get(pipe: Pipeline, path: str, **headers: str) -> Got:
    """Ask once."""
    async with pipe.http.get(path, headers=headers) as response:
        return Got(response.status, response.headers.copy(), await response.text())


async def ask_anew(pipe: Pipeline, kind: str, interval: tuple[datetime, datetime]) -> Answer:
    """Ask a service that has nothing cached, so that all of its reads come between the steps of the adoption."""
    gateway, clock = as_user("service", pipe.client), SystemClock()
    reports = Reports(gateway, pipe.installation, pipe.settings, clock)
    if kind == "timeline":
        return await timeline(reports, (ORG, POPUP), interval, "day", "json")
    if kind == "overview":
        overviews = Overviews(gateway, pipe.installation, reports, clock)
        return await overviews.answer(Question(ORG, None, interval, "day", "json"))
    return await reports.answer(ORG, PAGES if kind == "pages" else POPUP, *interval)


@pytest.mark.parametrize("kind", ["pages", "popup", "timeline", "overview"])
async def test_no_answer_mixes_two_cuts(redis_url: str, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Readers that ask all the time, between steps of three keys each, get the old answer and then the new one."""
    monkeypatch.setattr(switch, "_CHUNK", 3)
    run_step = writes.run_step
    dice = random.Random(kind)
    steps = 0

    async def run_later(gateway: Gateway, settings: Settings, ownership: Ownership, run: str) -> int | str:
        nonlocal steps
        steps += 1
        for _ in range(dice.randrange(60)):
            await asyncio.sleep(0)
        return await run_step(gateway, settings, ownership, run)

    monkeypatch.setattr(writes, "run_step", run_later)
    async with old_scene(redis_url, 12) as (world, case):
        pipe, now = world.pipe, world.now
        await world.send(life(now, days=16, each=40))
        midnight = datetime(now.year, now.month, now.day)  # noqa: DTZ001 - local time
        interval = midnight - timedelta(days=13), midnight - timedelta(days=8)
        old = await ask_anew(pipe, kind, interval)
        seen: list[Answer] = []
        done = asyncio.Event()

        async def read() -> None:
            while not done.is_set():
                with contextlib.suppress(StoreUnavailableError):  # a busy machine
                    seen.append(await ask_anew(pipe, kind, interval))

        readers = [asyncio.create_task(read()) for _ in range(4)]
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        done.set()
        await asyncio.gather(*readers)
        new = await ask_anew(pipe, kind, interval)
        assert (old.rules, new.rules) == (OLD, NEW)
        assert old.effective != new.effective
        assert steps > 30
        wrong = [answer for answer in seen if answer != (old if answer.rules == OLD else new)]
        assert not wrong
        assert len([answer for answer in seen if answer.rules == NEW]) > 10


@pytest.mark.holds("1.1.7")
async def test_headers_name_the_rules_of_the_answer(redis_url: str) -> None:
    """Release and seam come with 200 and 304 of report, timeline and overview, as JSON and CSV, and with the live stream."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 50, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        reports = f"{ORGANIZATION}/workflows/"
        live = f"{ORGANIZATION}/workflows/{PAGES}/sidedata/live?start={now.date()}&end={now.date() + timedelta(days=1)}"

        async def streamed(expected: str) -> bool:
            async with pipe.http.get(live) as stream:  # it may begin with an answer of a quarter of a second ago
                return stream.headers[HEADER] == expected

        async def check(expected: str) -> None:
            for path in paths(now):
                alone = path.startswith(reports) and "timeline" not in path
                for accept in ("application/json",) if alone else ("application/json", "text/csv"):
                    got = await get(pipe, path, Accept=accept)
                    assert (got.status, got.headers[HEADER]) == (200, expected), path
                    same = await get(pipe, path, **{"Accept": accept, "If-None-Match": got.headers["ETag"]})
                    assert (same.status, same.headers[HEADER]) == (304, expected), path
            await eventually(partial(streamed, expected), 2, "the live stream has the header")

        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=60, each=4))
        await check(OLD)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        since = (await world.rules()).since
        assert since is not None
        await check(f"{NEW}; since={since}")
