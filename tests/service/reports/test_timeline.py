"""Timelines: each point is the report over its span, and the form of the answer is as promised."""

import csv
import io
import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import ceil
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from sidedata.clock import SystemClock
from sidedata.service.app import create_app
from sidedata.service.report.reports import Reports
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, bought, interaction, started, triggered, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import SIDEDATA, served, world
from tests.support.waiting import TIME_FACTOR

ZONE = "Europe/Helsinki"


def path(workflow: str) -> str:
    """The path of a workflow's timeline."""
    return f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{workflow}/sidedata/timeline"


class Answer:
    """A timeline's status, headers and body."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body, numbers with a fraction as `Decimal`."""
        return json.loads(self.text, parse_float=Decimal)

    @property
    def effective(self) -> str:
        """The effective interval."""
        return self.headers["Sidedata-Effective-Interval"]


async def ask(
    pipe: Pipeline, workflow: str, start: datetime, end: datetime, granularity: str, **headers: str
) -> Answer:
    """Ask for a timeline by POST: some times more after a 503, as on a machine that has other work."""
    body = {"interval": {"start": start.isoformat(), "end": end.isoformat()}, "granularity": granularity}
    for left in reversed(range(ceil(TIME_FACTOR))):
        async with pipe.http.post(path(workflow), json=body, headers=headers) as response:
            if response.status != 503 or not left:
                return Answer(response.status, response.headers.copy(), await response.text())
    raise AssertionError("the last answer is returned, whatever it is")


async def fill(pipe: Pipeline, now: datetime) -> None:
    """Events of both kinds over 40 days, most of them of the last two."""
    await pipe.organization(ZONE)
    dice = random.Random(7)
    events = []
    for number in range(2_000):
        ago = timedelta(days=40) if number % 4 == 0 else timedelta(hours=50)
        at = now - ago * dice.random()
        ids = {"visitor": f"v{dice.randrange(400)}", "session": f"s{dice.randrange(700)}"}
        events.append(view(at, **ids))
        events.append(dice.choice([started(at, **ids), interaction(at, **ids), triggered(at, **ids)]))
        events.append(bought(at + timedelta(seconds=1), f"{number}.01", dice.choice(["EUR", "USD"]), **ids))
    await pipe.apply(*(events[first : first + 500] for first in range(0, len(events), 500)))


def figures(report: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The figures of a point, from the report over its span."""
    if kind == "page":
        return {name: report[name] for name in ("unique_visitors_count", "unique_sessions_count")}
    events = {
        role: sum(goal["metrics"]["events_count"] for goal in report[f"{role}_goals"])
        for role in ("triggered", "affected")
    }
    return {
        "unique_visitors_count": report["unique_visitors_count"],
        "started_workflows_count": report["started_workflows_count"],
        "triggered_goals_count": events["triggered"],
        "affected_goals_count": events["affected"],
        "visitor_purchase_sums": report["visitor_purchase_sums"],
    }


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


@pytest.mark.holds("3.2.7", "3.2.1")
async def test_csv_has_the_same_figures(redis_url: str) -> None:
    """A line for each point with a column for each currency, under an entity tag of its own."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        start, end = now - timedelta(days=6), now + timedelta(days=2)
        for workflow in (PAGES, POPUP):
            points = (await ask(pipe, workflow, start, end, "day")).json["points"]
            table = await ask(pipe, workflow, start, end, "day", Accept="text/csv")
            assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
            assert "Accept" in table.headers["Vary"]
            assert table.text.endswith("\r\n")
            rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
            assert len(rows) == len(points)
            for row, point in zip(rows, points, strict=True):
                sums = {one["currency"]: one["value"] for one in point.pop("visitor_purchase_sums", [])}
                money = {name: row.pop(name) for name in list(row) if name.startswith("purchases_")}
                assert list(money) == (["purchases_EUR", "purchases_USD"] if workflow == POPUP else [])
                assert row == {name: str(value) for name, value in point.items()}
                assert {name: Decimal(text) for name, text in money.items()} == {
                    f"purchases_{currency}": Decimal(sums.get(currency, 0)) for currency in ("EUR", "USD")[: len(money)]
                }
        query = urlencode({"start": start.isoformat(), "end": end.isoformat(), "granularity": "day"})
        tags = {}
        for accept in ("application/json", "text/csv"):
            async with pipe.http.get(f"{path(PAGES)}?{query}", headers={"Accept": accept}) as response:
                tags[accept] = response.headers["ETag"]
                assert response.headers["Vary"] == "Authorization, Accept"
            conditional = {"Accept": accept, "If-None-Match": tags[accept]}
            async with pipe.http.get(f"{path(PAGES)}/?{query}", headers=conditional) as response:
                assert response.status == 304
                assert "Sidedata-As-Of" in response.headers
        assert len(set(tags.values())) == 2


@pytest.mark.holds("3.2.7")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("TEXT/CSV; q=0.9, application/json;q=0.1", "csv"),
        ("text/*", "csv"),
        ("text/csv, application/json", "json"),
        ("text/csv;q=0.5, */*;q=0.8", "json"),
        ("text/csv, */*;q=0.1", "csv"),
        ("text/csv;q=0", "json"),
        ("image/png", "json"),
    ],
)
async def test_json_is_given_unless_csv_is_preferred(redis_url: str, accept: str | None, expected: str) -> None:
    """By the weights in Accept."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        now = await pipe.now()
        headers = {} if accept is None else {"Accept": accept}
        answer = await ask(pipe, PAGES, now - timedelta(days=1), now, "day", **headers)
    assert answer.headers["Content-Type"].startswith("text/csv" if expected == "csv" else "application/json")


@pytest.mark.holds("3.2.5")
async def test_bad_requests_name_their_fault() -> None:
    """A granularity that is missing or unknown, an unknown field, a bad interval."""
    interval = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"}
    bodies: list[tuple[object, str]] = [
        ({"interval": interval}, "/granularity"),
        ({"interval": interval, "granularity": "year"}, "/granularity"),
        ({"interval": interval, "granularity": ["day"]}, "/granularity"),
        ({"interval": interval, "granularity": None}, "/granularity"),
        ({"interval": interval, "granularity": "day", "more": 1}, "/more"),
        ({"interval": {"start": "2026-11-01T00:00:00Z"}, "granularity": "day"}, "/interval/end"),
        ({"granularity": "day"}, "/interval"),
    ]
    queries = [
        ("start=2026-11-01&end=2026-11-02", "/granularity"),
        ("start=2026-11-01&granularity=day", "/end"),
        ("start=2026-11-01&end=2026-11-02&granularity=", "/granularity"),
        ("start=2026-11-01&end=2026-11-02&granularity=day&x=1", "/x"),
    ]
    async with world() as ours:
        for body, pointer in bodies:
            heard = await ours.ask("POST", f"{SIDEDATA}/timeline", json=body, headers={"Accept": "text/csv"})
            assert (heard.status, heard.headers["Content-Type"]) == (400, "application/problem+json")
            assert [error["pointer"] for error in json.loads(heard.body)["errors"]] == [pointer]
        for query, pointer in queries:
            heard = await ours.ask("GET", f"{SIDEDATA}/timeline/?{query}")
            assert heard.status == 400
            assert [error["pointer"] for error in json.loads(heard.body)["errors"]] == [pointer]


async def test_both_ways_say_the_same(redis_url: str) -> None:
    """The fast path of plain requests, and the ordinary one: status, headers but for the time, and body."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        clock = SystemClock()
        reports = Reports(pipe.client, pipe.installation, pipe.settings, clock)
        app = create_app(pipe.settings, pipe.client, pipe.installation, clock, reports)
        async with served(app) as base, aiohttp.ClientSession(base, headers=pipe.http.headers) as http:
            for granularity in ("day", "5min"):
                interval = {"start": (now - timedelta(days=6)).isoformat(), "end": now.isoformat()}
                body = {"interval": interval, "granularity": granularity}
                answers = []
                for accept in ("application/json;q=0.9", "*/*"):  # the token is found on the first, ordinary one
                    async with http.post(path(PAGES), json=body, headers={"Accept": accept}) as response:
                        varying = ("date", "x-request-id", "sidedata-as-of")
                        headers = {name: text for name, text in response.headers.items() if name.lower() not in varying}
                        answers.append((response.status, headers, await response.text()))
                assert answers[0] == answers[1]


async def test_an_unknown_workflow_is_not_found(redis_url: str) -> None:
    """As for the report."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        assert (await ask(pipe, PAGES, now - timedelta(days=1), now, "day")).status == 404
