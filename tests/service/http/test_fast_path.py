"""The fast path gives the ordinary path's answers, and authorizes no request that the ordinary path would refuse."""

import asyncio
import json
import re

import pytest

from sidedata.errors import StopError, StoreUnavailableError
from sidedata.service.report.reports import IntervalError, NoSuchWorkflowError
from tests.support.constants import ORG, OTHER_ORG
from tests.support.processes.service import INTERVAL, SIDEDATA, WORKFLOW, World, world

_VARYING = re.compile(rb"(Date|X-Request-Id): [^\r]*\r\n")


async def exchange(ours: World, question: object, content_type: str) -> list[bytes]:
    """The lines that come back on a connection of its own, but for those that differ each time, and the body."""
    host, port = ours.base.removeprefix("http://").split(":")
    body = json.dumps(question).encode()
    head = (
        f"POST {SIDEDATA}/ HTTP/1.1\r\nHost: here\r\nAuthorization: Token {ours.token}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: ([0-9]+)", answer)
        assert length is not None
        assert len(_VARYING.findall(answer)) == 2
        return [*_VARYING.sub(b"", answer).split(b"\r\n"), await reader.readexactly(int(length[1]))]
    finally:
        writer.close()
        await writer.wait_closed()


_FAULTS = [
    (INTERVAL, None),
    ({}, None),
    ({"interval": {"start": "2026-11-01", "end": "2026-10-01T00:00Z"}}, None),
    ({"interval": {"start": "2026-11-02T00:00Z", "end": "2026-11-01T00:00Z", "more": 1}}, None),
    (INTERVAL, NoSuchWorkflowError("no such workflow")),
    (INTERVAL, IntervalError("/interval", "ends before all")),
    (INTERVAL, StoreUnavailableError("gone")),
    (INTERVAL, StopError("refused for good")),
    (INTERVAL, ZeroDivisionError("a bug")),
]


@pytest.mark.parametrize(("question", "failure"), _FAULTS)
async def test_both_ways_say_the_same(question: object, failure: Exception | None) -> None:
    """An answer, a refusal or a failure: the same status, headers and body."""
    async with world() as ours:
        await ours.ask("POST", SIDEDATA, json=INTERVAL)  # the token is found on the long way
        if failure is not None:
            ours.reports.say = failure
        short = await exchange(ours, question, "application/json")
        long = await exchange(ours, question, "application/json; charset=utf-8")  # less plain
        assert sorted(short) == sorted(long)
        if failure is None and question is INTERVAL:
            assert short == long


async def test_who_may_not_ask_is_refused_as_ever() -> None:
    """A token of another organization, one without the scope, an unknown one, none: found a moment ago or not."""
    async with world() as ours:
        foreign, writer = await ours.new_token(OTHER_ORG), await ours.new_token(ORG, ("ingest",))
        for _ in range(3):
            for token, status in ((ours.token, 200), (foreign, 403), (writer, 403), ("sd_unknown", 401), (None, 401)):
                assert (await ours.ask("POST", SIDEDATA, token=token, json=INTERVAL)).status == status
        assert len(ours.reports.asked) == 3


async def test_a_rate_limit_holds() -> None:
    """Where requests are counted in Redis, each goes the long way."""
    async with world(rate_limit=2) as ours:
        statuses = [(await ours.ask("POST", SIDEDATA, json=INTERVAL)).status for _ in range(4)]
        assert statuses == [200, 200, 429, 429]


async def test_requests_are_counted_alike() -> None:
    """The same metric with the same labels, answers and refusals."""
    async with world() as ours:
        for _ in range(3):
            await ours.ask("POST", SIDEDATA, json=INTERVAL)
            await ours.ask("POST", SIDEDATA, json={})
        text = (await ours.ask("GET", "/metrics", token=None)).body.decode()
    route = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/{workflow_id}/sidedata/"
    for status in (200, 400):
        assert f'sidedata_http_requests_total{{method="POST",route="{route}",status="{status}"}} 3.0' in text


@pytest.mark.parametrize(
    "path", [f"{SIDEDATA}x", f"{SIDEDATA}//", SIDEDATA.replace(WORKFLOW, "no-uuid"), f"/x{SIDEDATA}"]
)
async def test_other_paths_are_others(path: str) -> None:
    """A path that only resembles that of a report gets the router's answer."""
    async with world() as ours:
        await ours.ask("POST", SIDEDATA, json=INTERVAL)
        assert (await ours.ask("POST", path, json=INTERVAL)).status in (400, 404)
        assert len(ours.reports.asked) == 1


@pytest.mark.holds("1.0.11")
async def test_ids_in_capitals_are_the_same() -> None:
    """UUIDs are read in any case, and asked for in lower case."""
    async with world() as ours:
        for path in (SIDEDATA, SIDEDATA.replace(WORKFLOW, WORKFLOW.upper()).replace(ORG, ORG.upper())):
            assert (await ours.ask("POST", path, json=INTERVAL)).status == 200
        assert {asked[:2] for asked in ours.reports.asked} == {(ORG, WORKFLOW)}
