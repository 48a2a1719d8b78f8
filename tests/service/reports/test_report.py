"""The report's endpoints: what they pass on, and which headers they add."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from sidedata.clock import SystemClock
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.reports import Reports
from tests.support.constants import ORG
from tests.support.constants import ORG as PIPE_ORG
from tests.support.events import PAGES, view
from tests.support.pipeline import pipeline
from tests.support.processes.service import EFFECTIVE, INTERVAL, QUERY, SIDEDATA, WORKFLOW, canned, world

JSON = {"Content-Type": "application/json"}


@pytest.mark.holds("3.0.1", "3.0.9")
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_post_answers_the_report(slash: str, content_type: str) -> None:
    """The report's own bytes, and the interval that they cover."""
    async with world() as ours:
        heard = await ours.ask("POST", SIDEDATA + slash, json=INTERVAL, headers={"Content-Type": content_type})
    assert (heard.status, heard.body) == (200, canned(1).body)
    assert heard.headers["Sidedata-Effective-Interval"] == EFFECTIVE
    assert heard.headers["Content-Type"] == "application/json"


@pytest.mark.holds("1.0.11")
async def test_ids_in_the_path_are_taken_in_any_case() -> None:
    """Upper case in, lower case on."""
    async with world() as ours:
        path = SIDEDATA.replace(ORG, ORG.upper()).replace(WORKFLOW, WORKFLOW.upper())
        heard = await ours.ask("GET", f"{path}?start=2026-11-01T00:00Z&end=2026-12-01T00:00Z")
        assert heard.status == 200
        start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
        assert ours.reports.asked == [(ORG, WORKFLOW, start, end)]


@pytest.mark.holds("3.1.1")
@pytest.mark.parametrize("condition", ['"tag1"', 'W/"tag1"', '"other", "tag1"', "*", 'W/"a",W/"tag1"'])
async def test_get_answers_304_to_who_has_it(condition: str) -> None:
    """An entity tag that matches saves the body, whatever form the condition has."""
    async with world() as ours:
        whole = await ours.ask("GET", f"{SIDEDATA}?{QUERY}")
        again = await ours.ask("GET", f"{SIDEDATA}/?{QUERY}", headers={"If-None-Match": condition})
        ours.reports.say = canned(2)
        changed = await ours.ask("GET", f"{SIDEDATA}?{QUERY}", headers={"If-None-Match": '"tag1"'})
    assert whole.headers["ETag"] == '"tag1"'
    assert whole.headers["Cache-Control"] == "private, max-age=1"
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", '"tag1"')
    assert (changed.status, json.loads(changed.body)) == (200, {"unique_visitors_count": 2})


async def test_head_answers_like_get_without_the_body() -> None:
    """HEAD shows the headers of GET, the length included."""
    async with world() as ours:
        heard = await ours.ask("HEAD", f"{SIDEDATA}?{QUERY}")
        live = await ours.ask("HEAD", f"{SIDEDATA}/live?{QUERY}")
    assert (heard.status, heard.body, heard.headers["ETag"]) == (200, b"", '"tag1"')
    assert heard.headers["Content-Length"] == str(len(canned(1).body))
    assert (live.status, live.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")


async def test_the_cache_tells_how_often_it_serves(redis_url: str) -> None:
    """An answer is assembled once, kept until the workflow changes, and the metrics give the hit rate."""
    registry = CollectorRegistry()
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        metrics = ServiceMetrics(registry)
        reports = Reports(pipe.client, pipe.installation, pipe.settings, SystemClock(), metrics)
        now = await pipe.now()
        visitors = []
        for number in range(2):
            await pipe.apply([view(now, f"v{number}")])
            for _ in range(3):
                answer = await reports.answer(PIPE_ORG, PAGES, now - timedelta(hours=1), now + timedelta(hours=1))
                visitors.append(json.loads(answer.body)["unique_visitors_count"])
    assert visitors == [1, 1, 1, 2, 2, 2]
    assert registry.get_sample_value("sidedata_reports_total", {"from": "kept"}) == 4
    assert registry.get_sample_value("sidedata_reports_total", {"from": "assembled"}) == 2
    assert (registry.get_sample_value("sidedata_cache_bytes") or 0) > 0
