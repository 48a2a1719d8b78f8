"""Overviews: the single answers of many workflows over one interval, in the requested order."""

import asyncio
import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from sidedata.writes.records import set_workflow
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, POPUP_2, view, visits
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import ask_patiently, world

PATH = f"/api/reporting/workflow/v1/orgs/{ORG}/sidedata/"
NOWHERE = "99999999-0000-4000-8000-00000000000f"


async def post(pipe: Pipeline, body: object, path: str = PATH, **headers: str) -> tuple[int, Mapping[str, str], str]:
    """Ask by POST."""
    heard = await ask_patiently(pipe.http, "POST", path, json=body, headers=headers)
    return heard.status, heard.headers, heard.body.decode()


def loaded(text: str) -> Any:  # noqa: ANN401 - JSON
    """A body, numbers with a fraction as `Decimal`."""
    return json.loads(text, parse_float=Decimal)


def two_days(now: datetime) -> dict[str, str]:
    """The interval of two days before now."""
    return {"start": (now - timedelta(days=2)).isoformat(), "end": now.isoformat()}


async def fill(pipe: Pipeline, now: datetime) -> None:
    """Events of both kinds."""
    await pipe.apply([*visits(now - timedelta(hours=1), 5), *visits(now - timedelta(days=1), 7)])


@pytest.mark.holds("3.3.1", "3.3.2")
async def test_each_is_the_single_answer_in_the_requested_order(redis_url: str) -> None:
    """In any case of letters, a repeated one once, and those that do not exist under `missing`."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        interval = two_days(now)
        asked = [POPUP.upper(), NOWHERE, PAGES, POPUP]
        status, headers, text = await post(pipe, {"interval": interval, "workflows": asked})
        assert status == 200
        answer = loaded(text)
        singles = {
            workflow: await pipe.ask(workflow, interval["start"], interval["end"]) for workflow in (PAGES, POPUP)
        }
        async with pipe.http.get(f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/") as response:
            listed = {workflow["id"]: workflow for workflow in await response.json()}
    assert [item["id"] for item in answer["workflows"]] == [POPUP, PAGES]
    assert answer["missing"] == [NOWHERE]
    for item in answer["workflows"]:
        assert item.pop("sidedata") == singles[item["id"]].json
        assert item == listed[item["id"]]
    assert headers["Sidedata-Effective-Interval"] == singles[PAGES].effective
    assert "Sidedata-As-Of" in headers


@pytest.mark.holds("3.3.1")
async def test_without_workflows_it_is_about_the_first_of_the_list(redis_url: str) -> None:
    """A hundred, in the list's order, ties by id."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        registered = [f"55555555-0000-4000-8000-{number:012}" for number in range(110)]
        await asyncio.gather(*(pipe.workflow(workflow, "interaction") for workflow in reversed(registered)))
        async with pipe.http.get(f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/") as response:
            listed = [workflow["id"] for workflow in await response.json()]
        _, _, text = await post(pipe, {"interval": two_days(now)})
        _, _, other = await post(pipe, {"interval": two_days(now)}, PATH.replace(ORG, OTHER_ORG))
    assert [item["id"] for item in loaded(text)["workflows"]] == listed[:100]
    assert loaded(text)["missing"] == []
    assert loaded(other) == {"workflows": [], "missing": []}


async def test_it_follows_every_change(redis_url: str) -> None:
    """An event, a name, a new workflow, and the next answer has it; without a change it has the same entity tag."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        query = urlencode(two_days(now) | {"workflows": f"{PAGES},{POPUP_2}"})

        async def get(**headers: str) -> tuple[int, str, Any]:
            async with pipe.http.get(f"{PATH}?{query}", headers=headers) as response:
                text = await response.text()
                return response.status, response.headers["ETag"], loaded(text) if text else None

        _, first, before = await get()
        assert (await get(**{"If-None-Match": first}))[0] == 304
        await pipe.apply(view(now - timedelta(minutes=10), "somebody new"))
        _, second, after = await get()
        assert second != first
        visitors = [answer["workflows"][0]["sidedata"]["unique_visitors_count"] for answer in (before, after)]
        assert visitors[1] == visitors[0] + 1
        await set_workflow(pipe.client, pipe.installation, ORG, PAGES, "page_navigation", "Shop")
        assert (await get())[2]["workflows"][0]["name"] == "Shop"
        assert (await get())[2]["missing"] == [POPUP_2]
        await pipe.workflow(POPUP_2, "interaction")
        assert [item["id"] for item in (await get())[2]["workflows"]] == [PAGES, POPUP_2]


@pytest.mark.holds("3.3.3")
async def test_points_are_those_of_the_timeline(redis_url: str) -> None:
    """For each workflow, at most 10,000 in all."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        body = {"interval": two_days(now), "granularity": "hour"}
        _, _, text = await post(pipe, {**body, "workflows": [PAGES, POPUP]})
        for item in loaded(text)["workflows"]:
            path = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{item['id']}/sidedata/timeline"
            _, _, timeline = await post(pipe, body, path)
            assert item["points"] == loaded(timeline)["points"]
        many = [f"55555555-0000-4000-8000-{number:012}" for number in range(99)]
        await asyncio.gather(*(pipe.workflow(workflow, "interaction") for workflow in many))
        long = {"interval": {"start": (now - timedelta(days=150)).isoformat(), "end": now.isoformat()}}
        status, _, text = await post(pipe, {**long, "workflows": many, "granularity": "day"})
        [error] = loaded(text)["errors"]
        assert (status, error["pointer"]) == (400, "/granularity")
        assert error["detail"].endswith("is week")
        status, _, text = await post(pipe, {**long, "workflows": many[:60], "granularity": "day"})
        assert status == 200


@pytest.mark.holds("3.3.5")
async def test_csv_has_a_row_for_each_workflow(redis_url: str) -> None:
    """Empty cells where a kind has no such number, exact money, and no cell that a spreadsheet would run."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await fill(pipe, now)
        operator = pipe.client
        await set_workflow(operator, pipe.installation, ORG, PAGES, "page_navigation", '=HYPERLINK("x","y")')
        await set_workflow(operator, pipe.installation, ORG, POPUP, "interaction", "Pop-up, the second")
        body = {"interval": two_days(now), "workflows": [POPUP, PAGES, NOWHERE]}
        status, headers, text = await post(pipe, body, Accept="text/csv")
        _, _, json_text = await post(pipe, body)
    assert status == 200
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    popup, pages = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(popup) == [
        *("id", "kind", "name", "last_event_at", "unique_visitors_count", "unique_sessions_count"),
        *("started_workflows_count", "triggered_goals_count", "affected_goals_count", "purchases_EUR", "purchases_GBP"),
    ]
    of_popup, of_pages = (item["sidedata"] for item in loaded(json_text)["workflows"])
    assert popup["name"] == "Pop-up, the second"
    assert popup["unique_sessions_count"] == ""
    events = sum(goal["metrics"]["events_count"] for goal in of_popup["affected_goals"])
    assert popup["affected_goals_count"] == str(events)
    sums = {one["currency"]: one["value"] for one in of_popup["visitor_purchase_sums"]}
    assert Decimal(popup["purchases_EUR"]) == sums["EUR"]
    assert pages["name"] == '\'=HYPERLINK("x","y")'
    assert pages["unique_sessions_count"] == str(of_pages["unique_sessions_count"])
    assert {pages[name] for name in list(popup)[6:]} == {""}


@pytest.mark.holds("3.3.4")
async def test_bad_requests_name_their_fault() -> None:
    """Too many workflows, none, no UUID, no array, an unknown granularity, an interval that ends before it starts."""
    interval = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"}
    bodies: list[tuple[dict[str, object], str]] = [
        ({"workflows": []}, "/workflows"),
        ({"workflows": [PAGES] * 101}, "/workflows"),
        ({"workflows": None}, "/workflows"),
        ({"workflows": PAGES}, "/workflows"),
        ({"workflows": [PAGES, POPUP, PAGES, "none"]}, "/workflows/3"),
        ({"workflows": [PAGES, 7]}, "/workflows/1"),
        ({"granularity": "year"}, "/granularity"),
        ({"interval": {"start": interval["end"], "end": interval["start"]}}, "/interval/end"),
        ({"more": 1}, "/more"),
    ]
    queries = [
        ("workflows=", "/workflows"),
        (f"workflows={PAGES},x", "/workflows/1"),
        ("workflows=" + ",".join([PAGES] * 101), "/workflows"),
        ("granularity=year", "/granularity"),
        ("more=1", "/more"),
    ]
    async with world() as ours:
        for body, pointer in bodies:
            heard = await ours.ask("POST", PATH, json={"interval": interval, **body})
            assert heard.status == 400
            assert [error["pointer"] for error in json.loads(heard.body)["errors"]] == [pointer]
        for query, pointer in queries:
            heard = await ours.ask("GET", f"{PATH}?start=2026-11-01&end=2026-11-02&{query}")
            assert heard.status == 400
            assert [error["pointer"] for error in json.loads(heard.body)["errors"]] == [pointer]
