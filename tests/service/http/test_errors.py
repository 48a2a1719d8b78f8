"""The shape of every answer that is not a success, for every way in which one can arise."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from sidedata.errors import StopError, StoreUnavailableError
from sidedata.service.report.reports import IntervalError, NoSuchWorkflowError
from tests.support.constants import ORG, OTHER_ORG
from tests.support.processes.service import EVENTS, INTERVAL, QUERY, SIDEDATA, WORKFLOW, WORKFLOWS, Heard, World, world

JSON = {"Content-Type": "application/json"}
GOOD = json.dumps(INTERVAL).encode()
NO_UUID = "/api/reporting/workflow/v1/orgs/nobody/workflows"


def problem(heard: Heard, status: int) -> dict[str, Any]:
    """The problem, after everything that all problems have in common was checked."""
    assert heard.status == status, heard.body
    assert heard.headers["Content-Type"] == "application/problem+json"
    assert heard.headers["X-Content-Type-Options"] == "nosniff"
    assert heard.headers["Cache-Control"] == "no-store"
    assert heard.headers["X-Request-Id"]
    body: dict[str, Any] = json.loads(heard.body)
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body.keys() <= {"type", "title", "status", "detail", "errors", "checks", "warnings"}
    assert body["status"] == status
    assert all(isinstance(body[name], str) and body[name] for name in ("type", "title", "detail"))
    for error in body.get("errors", []):
        assert error.keys() == {"pointer", "detail"}
    assert "Traceback" not in heard.body.decode()
    return body


class Case(NamedTuple):
    """A request and its expected response."""

    status: int
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    token: str | None = ""
    say: Exception | None = None


CASES = {
    "no such path": Case(404, "GET", "/nowhere", token=None),
    "no such path below the API": Case(404, "GET", "/api/reporting/workflow/v1/orgs", token=None),
    "an empty id": Case(404, "GET", "/api/reporting/workflow/v1/orgs//workflows", token=None),
    "undecodable path": Case(404, "GET", "/%ff/%zz/%00", token=None),
    "no such page file": Case(404, "GET", "/dashboard/..%2fapp.py", token=None),
    "python of the pages": Case(404, "GET", "/docs/__init__.py", token=None),
    "method": Case(405, "DELETE", SIDEDATA, token=None),
    "method on health": Case(405, "POST", "/livez", token=None),
    "a rare method": Case(405, "PROPFIND", SIDEDATA, token=None),
    "expectation": Case(417, "GET", "/livez", headers={"Expect": "magic"}, token=None),
    "expectation nowhere": Case(417, "GET", "/nowhere", headers={"Expect": "magic"}, token=None),
    "no token": Case(401, "GET", f"{SIDEDATA}?{QUERY}", token=None),
    "no token and no UUID": Case(401, "GET", NO_UUID, token=None),
    "unknown token": Case(401, "GET", f"{SIDEDATA}?{QUERY}", token="sd_" + "x" * 43),
    "not of our shape": Case(401, "GET", f"{SIDEDATA}?{QUERY}", token="x y"),  # noqa: S106 - it opens nothing
    "another scheme": Case(401, "GET", SIDEDATA, headers={"Authorization": "Basic eA=="}, token=None),
    "empty scheme": Case(401, "GET", SIDEDATA, headers={"Authorization": " "}, token=None),
    "no UUID": Case(400, "GET", NO_UUID),
    "no workflow UUID": Case(400, "GET", f"{WORKFLOWS}/x/sidedata?{QUERY}"),
    "UUID without hyphens": Case(400, "GET", f"{WORKFLOWS}/{WORKFLOW.replace('-', '')}/sidedata?{QUERY}"),
    "UUID in braces": Case(400, "GET", f"/api/reporting/workflow/v1/orgs/{{{ORG}}}/workflows"),
    "workflow UUID in braces": Case(400, "POST", f"{WORKFLOWS}/{{{WORKFLOW}}}/sidedata", GOOD, JSON),
    "events of a UUID in braces": Case(400, "POST", f"/api/ingest/v1/orgs/{{{ORG}}}/events", b"[]", JSON),
    "a slash within an id": Case(400, "GET", "/api/reporting/workflow/v1/orgs/a%2Fb/workflows"),
    "undecodable UUID": Case(400, "GET", f"{WORKFLOWS}/%ff%00/sidedata?{QUERY}"),
    "another organization": Case(403, "GET", f"/api/reporting/workflow/v1/orgs/{OTHER_ORG}/workflows"),
    "another organization's events": Case(403, "POST", f"/api/ingest/v1/orgs/{OTHER_ORG}/events", b"[]", JSON),
    "no such workflow": Case(404, "POST", SIDEDATA, GOOD, JSON, say=NoSuchWorkflowError("no")),
    "no such workflow by GET": Case(404, "GET", f"{SIDEDATA}?{QUERY}", say=NoSuchWorkflowError("no")),
    "no such workflow live": Case(404, "GET", f"{SIDEDATA}/live?{QUERY}", say=NoSuchWorkflowError("no")),
    "bad interval": Case(400, "POST", SIDEDATA, GOOD, JSON, say=IntervalError("/interval/end", "no")),
    "bad interval live": Case(400, "GET", f"{SIDEDATA}/live?{QUERY}", say=IntervalError("/interval/end", "no")),
    "no content type": Case(415, "POST", SIDEDATA, GOOD, {"Content-Type": ""}),
    "another content type": Case(415, "POST", SIDEDATA, GOOD, {"Content-Type": "text/plain"}),
    "compressed question": Case(415, "POST", SIDEDATA, GOOD, {**JSON, "Content-Encoding": "gzip"}),
    "too large a question": Case(413, "POST", SIDEDATA, b" " * 65_537, JSON),
    "no JSON": Case(400, "POST", SIDEDATA, b"{", JSON),
    "deeply nested": Case(400, "POST", SIDEDATA, b"[" * 60_000, JSON),
    "no interval": Case(400, "GET", SIDEDATA),
    "live without an interval": Case(400, "GET", f"{SIDEDATA}/live"),
    "parameters of the list": Case(400, "GET", f"{WORKFLOWS}?page=2"),
    "events of another type": Case(415, "POST", EVENTS, b"[]", {"Content-Type": "text/csv"}),
    "events in another encoding": Case(415, "POST", EVENTS, b"[]", {**JSON, "Content-Encoding": "br"}),
    "events in no gzip": Case(400, "POST", EVENTS, b"[]", {**JSON, "Content-Encoding": "gzip"}),
    "no array": Case(400, "POST", EVENTS, b"{}", JSON),
    "store lost": Case(503, "POST", SIDEDATA, GOOD, JSON, say=StoreUnavailableError("gone")),
    "store lost live": Case(503, "GET", f"{SIDEDATA}/live?{QUERY}", say=StoreUnavailableError("gone")),
    "store refuses": Case(503, "POST", SIDEDATA, GOOD, JSON, say=StopError("no right")),
    "a bug": Case(500, "POST", SIDEDATA, GOOD, JSON, say=ZeroDivisionError("a secret number")),
}


@pytest.mark.holds("6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.9", "6.11")
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_every_refusal_is_a_problem(case: Case) -> None:
    """Status, headers and body are those of RFC 9457, and nothing of our inside shows."""
    async with world() as ours:
        if case.say is not None:
            ours.reports.say = case.say
        heard = await ours.ask(case.method, case.path, data=case.body, headers=case.headers, token=case.token)
    body = problem(heard, case.status)
    assert "secret number" not in heard.body.decode()
    if case.status == 401:
        assert heard.headers["WWW-Authenticate"] == "Token"
    if case.status == 405:
        assert heard.headers["Allow"]
    if case.status == 503:
        assert int(heard.headers["Retry-After"]) >= 1
    if case.say is not None and case.status == 400:
        assert [error["pointer"] for error in body["errors"]] == ["/interval/end" if case.method == "POST" else "/end"]


async def test_a_chunked_body_is_measured_as_it_comes() -> None:
    """A body without a length is refused once it is over the limit; its end need not come for that."""
    async with world() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ours.base.rpartition(":")[2]))
        head = f"POST {SIDEDATA} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {ours.token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        writer.write(b"8001\r\n" + b" " * 0x8001 + b"\r\n")
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert answer.split(b" ")[1] == b"413"


@pytest.mark.holds("6.10")
@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_too(request_text: bytes) -> None:
    """The parser's refusals come as JSON and the connection ends."""
    async with world() as ours:
        answer = await raw(ours, request_text)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert json.loads(body)["status"] == 400


async def test_a_body_with_broken_framing_is_a_400() -> None:
    """Chunks that are none end in a problem, not in a bug."""
    async with world() as ours:
        head = f"POST {SIDEDATA} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {ours.token}\r\n".encode()
        rest = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"
        answer = await raw(ours, head + rest)
    assert answer.split(b" ")[1] == b"400"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400


async def raw(ours: World, sent: bytes) -> bytes:
    """Send bytes as they are; all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(ours.base.rpartition(":")[2]))
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_every_answer_is_503_until_redis_was_reached() -> None:
    """A service that started before its Redis says so rather than failing."""
    async with world(installation=None) as ours:
        heard = await ours.ask("POST", SIDEDATA, data=GOOD, headers=JSON)
        ready = await ours.ask("GET", "/readyz", token=None)
        alive = await ours.ask("GET", "/livez", token=None)
    problem(heard, 503)
    problem(ready, 503)
    assert heard.headers["Retry-After"] == ready.headers["Retry-After"] == "1"
    checks = {check["name"]: check["status"] for check in json.loads(ready.body)["checks"]}
    assert checks["installation"] == "failed"
    assert alive.status == 200


async def test_a_request_keeps_its_id() -> None:
    """An id that the client sent comes back, one that could break a log does not."""
    async with world() as ours:
        kept = await ours.ask("GET", "/livez", headers={"X-Request-Id": "abc-1.2"})
        replaced = await ours.ask("GET", "/livez", headers={"X-Request-Id": "a b" * 100})
    assert kept.headers["X-Request-Id"] == "abc-1.2"
    assert len(replaced.headers["X-Request-Id"]) == 16


async def test_the_log_names_neither_token_nor_query(caplog: pytest.LogCaptureFixture) -> None:
    """A line per request, with the route's template in place of the path."""
    with caplog.at_level("INFO", logger="sidedata.request"):
        async with world() as ours:
            await ours.ask("GET", f"{SIDEDATA}?{QUERY}")
            token = ours.token
    lines = [vars(record)["fields"] for record in caplog.records if record.name == "sidedata.request"]
    assert [(line["method"], line["status"]) for line in lines] == [("GET", 200)]
    assert lines[0]["path"].endswith("/workflows/{workflow_id}/sidedata/")
    assert token not in caplog.text
    assert WORKFLOW not in str(lines)
