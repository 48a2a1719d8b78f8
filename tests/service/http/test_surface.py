"""The other resources: the list of workflows, the pages, the API description, metrics."""

import json
import re
from typing import Any

import msgspec
import pytest

from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.service.http.endpoint import ENDPOINTS
from sidedata.service.openapi.schemas import InteractionReport, PageNavigationReport
from tests.support.constants import ORG, OTHER_ORG
from tests.support.processes.service import EVENTS, QUERY, SIDEDATA, WORKFLOWS, World, world

PARTITION = Installation(4).partition_of(ORG)


async def register(ours: World, workflow: str, newest_us: int, **record: str) -> None:
    """A workflow as the worker and `sidedata workflow` leave it."""
    await ours.client.zadd(keys.keyspace(PARTITION).workflows(ORG), {workflow: newest_us})
    await ours.client.hset(keys.keyspace(PARTITION).workflow(ORG, workflow), mapping=record)


@pytest.mark.holds("3.1.4")
async def test_workflows_come_newest_first() -> None:
    """Ties and those without an event are ordered by id, a name may be missing, and a header names the zone."""
    ids = [f"{digit}b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a23" for digit in "abcde"]
    async with world() as ours:
        await register(ours, ids[3], 0, kind="interaction", name="quiet")
        await register(ours, ids[2], 0, kind="page_navigation")
        await register(ours, ids[1], 1_795_471_200_000_000, kind="interaction", name="Ünïcode")
        await register(ours, ids[0], 1_795_471_200_000_000, kind="interaction")
        await register(ours, ids[4], 1_795_471_200_000_001, kind="page_navigation")
        heard = await ours.ask("GET", WORKFLOWS + "/")
        other = await ours.ask("GET", WORKFLOWS.replace(ORG, OTHER_ORG), token=await ours.new_token(None))
        await ours.client.hset(keys.keyspace(PARTITION).organization(ORG), mapping={"timezone": "Asia/Kathmandu"})
        zoned = await ours.ask("GET", WORKFLOWS)
    assert json.loads(heard.body) == [
        {"id": ids[4], "kind": "page_navigation", "name": None, "last_event_at": "2026-11-23T22:00:00.000001Z"},
        {"id": ids[0], "kind": "interaction", "name": None, "last_event_at": "2026-11-23T22:00:00Z"},
        {"id": ids[1], "kind": "interaction", "name": "Ünïcode", "last_event_at": "2026-11-23T22:00:00Z"},
        {"id": ids[2], "kind": "page_navigation", "name": None, "last_event_at": None},
        {"id": ids[3], "kind": "interaction", "name": "quiet", "last_event_at": None},
    ]
    assert (other.status, other.body) == (200, b"[]")
    assert [one.headers["Sidedata-Time-Zone"] for one in (other, heard, zoned)] == ["UTC", "UTC", "Asia/Kathmandu"]


async def test_many_workflows_come_in_one_list() -> None:
    """More than one pipeline holds, and one purged in between is left out."""
    async with world() as ours:
        for number in range(1_100):
            await register(ours, f"{number:08d}-2a55-4a3d-8c39-3d1f6f0e7a23", number, kind="interaction")
        await ours.client.delete(keys.keyspace(PARTITION).workflow(ORG, "00000007-2a55-4a3d-8c39-3d1f6f0e7a23"))
        heard = await ours.ask("GET", WORKFLOWS)
    listed = [item["id"] for item in json.loads(heard.body)]
    assert len(listed) == 1_099
    assert listed == sorted(listed, reverse=True)


@pytest.mark.holds("9.4")
@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/", "/docs", "/docs/main.js", "/docs/style.css"])
async def test_pages_load_nothing_from_elsewhere(path: str) -> None:
    """Pages and their files carry the strict policy, an ETag, and no address of another host."""
    async with world() as ours:
        heard = await ours.ask("GET", path, token=None)
        again = await ours.ask("GET", path, token=None, headers={"If-None-Match": heard.headers["ETag"]})
    assert heard.status == 200
    policy = heard.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert heard.headers["X-Content-Type-Options"] == "nosniff"
    assert heard.headers["Referrer-Policy"] == "no-referrer"
    assert (again.status, again.body) == (304, b"")
    outside = re.findall(rb"""(?:src|href|from|url)\s*[=(]?\s*["'](?:https?:)?//[^"']+""", heard.body)
    assert outside == []
    assert not re.search(rb"<script(?![^>]*\ssrc=)|<style|\son\w+=|style=", heard.body)


async def test_the_description_covers_every_route() -> None:
    """Each route of the router is in /openapi.json with its method, and every reference leads somewhere."""
    async with world() as ours:
        heard = await ours.ask("GET", "/openapi.json", token=None)
        served = {(endpoint.method.lower(), endpoint.path) for endpoint in ours.app[ENDPOINTS].values()}
        routes = sum(route.method != "*" for route in ours.app.router.routes())  # those are refusals
        assert routes == len(ours.app[ENDPOINTS])
    document = json.loads(heard.body)
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert document["openapi"].startswith("3.1")
    assert described == {(method, path) for method, path in served if "{name}" not in path}
    for reference in set(references(document)):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        guarded = "security" in operation
        assert guarded == ({"401", "403", "429", "503"} <= operation["responses"].keys())


def references(value: Any) -> list[str]:  # noqa: ANN401 - whatever JSON holds
    """All references in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


@pytest.mark.holds("3.0.7", "3.0.8")
def test_the_schemas_read_the_contracts_examples() -> None:
    """The answers that the contract shows fit what the description says."""
    pages = b'{"timeframe_stat": {"day_in_week": [[6074, 1], [1, 7]], "hour_in_day": [[5, 0], [6, 23]]},'
    pages += b'"unique_visitors_count": 31402, "unique_sessions_count": 40233}'
    figures = b'{"unique_visitors_count": 1204, "started_workflows_count": 3310,'
    figures += b'"visitor_purchase_sums": [{"value": 1023.5, "currency": "EUR"}], "affected_goals": [],'
    figures += b'"triggered_goals": [{"uuid": "6f9f2d0e-55d6-4a0e-9f0b-0f0a4f3f6c11", "name": "x", "metrics":'
    figures += b'{"events_count": 12, "unique_visitors_count": 9, "unique_sessions_count": 10}}]}'
    assert msgspec.json.decode(pages, type=PageNavigationReport).unique_visitors_count == 31402
    assert msgspec.json.decode(figures, type=InteractionReport).triggered_goals[0].metrics.events_count == 12


async def test_metrics_count_by_route() -> None:
    """Labels come from the table of routes; ingest and live streams have their own numbers."""
    async with world() as ours:
        await ours.ask("GET", f"{SIDEDATA}?{QUERY}")
        await ours.ask("GET", "/nowhere/at/all")
        await ours.ask("POST", EVENTS, json=[])
        text = (await ours.ask("GET", "/metrics", token=None)).body.decode()
    template = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/{workflow_id}/sidedata/"
    assert f'sidedata_http_requests_total{{method="GET",route="{template}",status="200"}} 1.0' in text
    assert 'sidedata_http_requests_total{method="GET",route="(none)",status="404"} 1.0' in text
    assert "sidedata_ingest_events_total 0.0" in text
    assert "sidedata_live_listeners 0.0" in text
    assert "nowhere" not in text
