"""The log: a JSON object a line, one line a request, and never a visitor's id."""

import json
import logging

import pytest

from sidedata.json_log import JsonFormatter
from sidedata.reads.tokens import list_tokens
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import GOAL, PAGES, POPUP, interaction, reached, triggered, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import EVENTS, INTERVAL, QUERY, SIDEDATA, world

VISITOR = "visitor-of-whom-nobody-may-know"
SESSION = "session-of-whom-nobody-may-know"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log as it goes to stderr; the access log of aiohttp is the test server's, `sidedata serve` has none."""
    return [JsonFormatter().format(record) for record in caplog.records if record.name != "aiohttp.access"]


async def test_each_request_is_one_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    """Good and bad ones, known and unknown paths; the id is the answer's, and the path is the route's."""
    caplog.set_level(logging.INFO)
    asked = (
        ("GET", f"{SIDEDATA}?{QUERY}", 200),
        ("GET", f"{SIDEDATA}?start=never", 400),
        ("POST", EVENTS, 415),
        ("DELETE", SIDEDATA, 405),
        ("GET", f"/{VISITOR}?{SESSION}", 404),
        ("GET", "/livez", 200),
    )
    async with world() as ours:
        caplog.clear()
        heard = [await ours.ask(method, path) for method, path, _ in asked]
        said = [json.loads(line) for line in lines(caplog)]
    told = [line for line in said if line["logger"] == "sidedata.request"]
    assert [(line["method"], line["status"]) for line in told] == [(method, status) for method, _, status in asked]
    assert [line["request_id"] for line in told] == [one.headers["X-Request-Id"] for one in heard]
    assert len({line["request_id"] for line in told}) == len(asked)
    for line in told:
        assert {"at", "level", "message", "path", "ms"} <= line.keys()
        assert "{" in line["path"] or line["path"] in {"(none)", "/livez"}


async def test_a_request_names_organization_and_token(caplog: pytest.LogCaptureFixture) -> None:
    """By the token's id, refused or not, on the fast path too; an organization that the token is not of is the client's word."""
    caplog.set_level(logging.INFO)
    async with world() as ours:
        (own,) = await list_tokens(ours.client)
        foreign = await ours.new_token(OTHER_ORG)
        caplog.clear()
        await ours.ask("GET", f"{SIDEDATA}?{QUERY}")
        await ours.ask("POST", SIDEDATA, json=INTERVAL)
        await ours.ask("POST", EVENTS)
        await ours.ask("GET", f"{SIDEDATA}?{QUERY}", token=foreign)
        await ours.ask("GET", f"{SIDEDATA}?{QUERY}", headers={"Authorization": "Token sd_unknown"})
        await ours.ask("GET", "/livez")
        said = [json.loads(line) for line in lines(caplog)]
    named = [(line.get("organization"), line.get("token_id") == own.id) for line in said if "path" in line]
    assert named == [(ORG, True)] * 3 + [(None, False)] * 3
    assert ["token_id" in line for line in said if "path" in line] == [True] * 4 + [False] * 2


async def _post(pipe: Pipeline, raws: list[bytes]) -> int:
    body = b"[" + b",".join(raws) + b"]"
    headers = {"Content-Type": "application/json"}
    async with pipe.http.post(f"/api/ingest/v1/orgs/{ORG}/events", data=body, headers=headers) as response:
        await response.read()
        return response.status


@pytest.mark.holds("7.8")
async def test_no_visitor_is_named_whatever_happens(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not at the most talkative level: by events that are applied, refused or dead-lettered, nor by questions."""
    caplog.set_level(logging.DEBUG)
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        who = {"visitor": VISITOR, "session": SESSION}
        sound = [view(now, **who), interaction(now, **who), triggered(now, **who), reached(now, **who)]
        broken = [
            view("yesterday", **who),
            view(now, VISITOR * 20, SESSION * 20),
            view(now, **who).replace(b'"session_id"', b'"session_id" oops'),
            interaction(now, workflow=PAGES, **who),
            view("1990-01-01T00:00:00Z", **who),
            view("2990-01-01T00:00:00Z", **who),
            triggered(now, goal=GOAL, name="", **who),
            view(now, **who) + b" " * 20_000,
        ]
        assert await _post(pipe, sound) == 202
        assert {await _post(pipe, [raw]) for raw in broken} >= {400}
        await pipe.apply(*broken, broken, [b"{}", *sound])
        assert len(await pipe.reasons()) > len(broken)
        for workflow in (PAGES, POPUP, f"{VISITOR:.36}"):
            await pipe.ask(workflow, now.isoformat(), f"{now.isoformat()}{SESSION}")
        said = "\n".join(lines(caplog))
    assert "sidedata" in said
    assert VISITOR not in said
    assert SESSION not in said
