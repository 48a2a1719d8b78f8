"""Timelines as JSON and CSV, by GET and POST, and refusals."""

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.support.events import PAGES, POPUP
from tests.support.pipeline import pipeline
from tests.support.processes.service import SIDEDATA, application, served, world
from tests.support.timelines import ask, fill, path


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
        app = application(pipe.client, pipe.installation, pipe.settings)
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
