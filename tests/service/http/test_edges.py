"""The edges of HTTP: Expect, query parameters that are not known, empty intervals, the root."""

import asyncio
import json

import pytest

from tests.support.processes.service import EVENTS, INTERVAL, QUERY, SIDEDATA, World, world


async def expecting(ours: World, path: str, token: str, body: bytes, media_type: str = "application/json") -> bytes:
    """Send a request's head with `Expect: 100-continue`, the body only if the service asks for it; all that it answers."""
    host, _, port = ours.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(20):
            heard = await reader.readuntil(b"\r\n\r\n")
            if heard.startswith(b"HTTP/1.1 100 "):
                writer.write(body)
                heard += await reader.read()
    finally:
        writer.close()
    return heard


async def test_a_body_that_is_expected_is_asked_for() -> None:
    """100 first, then the answer; reports and events alike."""
    async with world() as ours:
        answered = await expecting(ours, SIDEDATA, ours.token, json.dumps(INTERVAL).encode())
        accepted = await expecting(ours, EVENTS, ours.token, b"[]")
    for heard in (answered, accepted):
        first, rest = heard.split(b"\r\n\r\n", 1)
        assert first == b"HTTP/1.1 100 Continue"
        assert rest.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202"))


@pytest.mark.parametrize(
    ("path", "token", "media_type", "size", "status"),
    [
        (SIDEDATA, "sd_nobody", "application/json", 20, 401),
        (EVENTS, "sd_nobody", "application/json", 20, 401),
        (EVENTS.replace("/orgs/", "/orgs/x"), "", "application/json", 20, 400),
        (EVENTS, "", "text/plain", 20, 415),
        (EVENTS, "", "application/json", 11 << 20, 413),
        ("/elsewhere", "", "application/json", 20, 404),
        (f"{EVENTS}/elsewhere", "sd_nobody", "application/json", 20, 404),
        ("/readyz", "", "application/json", 20, 405),
        ("/openapi.json", "sd_nobody", "application/json", 20, 405),
    ],
)
async def test_a_refusal_comes_before_the_body(path: str, token: str, media_type: str, size: int, status: int) -> None:
    """No 100: a client that waits for it sends nothing."""
    async with world() as ours:
        heard = await expecting(ours, path, token or ours.token, b" " * size, media_type)
    assert heard.startswith(b"HTTP/1.1 %d " % status), heard


async def test_unknown_query_parameters() -> None:
    """GET refuses them by name, POST ignores them, and a stream ignores the one that EventSource packages add."""
    async with world() as ours:
        refused = await ours.ask("GET", f"{SIDEDATA}?{QUERY}&nocache=1")
        ignored = await ours.ask("POST", f"{SIDEDATA}?nocache=1", json=INTERVAL)
        again = f"{SIDEDATA}/live?{QUERY}&lastEventId=2026-11-01T00%3A00%3A00%2B02%3A00%2F2026"
        streams = [await ours.ask("HEAD", path) for path in (again, again.replace(QUERY, "window=PT1H"))]
    assert (refused.status, ignored.status) == (400, 200)
    assert json.loads(refused.body)["errors"] == [{"pointer": "/nocache", "detail": "unknown query parameter"}]
    assert [stream.status for stream in streams] == [200, 200]
    assert {stream.headers["Content-Type"] for stream in streams} == {"text/event-stream; charset=utf-8"}


@pytest.mark.parametrize("date", ["2026-11-28", "20261128", "2026-W48-6"])
async def test_one_date_twice_says_what_to_write(date: str) -> None:
    """The next day as the end, in a body and in a query string."""
    async with world() as ours:
        posted = await ours.ask("POST", SIDEDATA, json={"interval": {"start": date, "end": date}})
        got = await ours.ask("GET", f"{SIDEDATA}?start={date}&end={date}")
    for heard, pointer in ((posted, "/interval/end"), (got, "/end")):
        assert heard.status == 400
        (error,) = json.loads(heard.body)["errors"]
        assert error["pointer"] == pointer
        assert "write 2026-11-29 as the end" in error["detail"]


async def test_one_instant_twice_is_empty() -> None:
    """With and without an offset; another offset doesn't make it longer."""
    async with world() as ours:
        for start, end in (
            ("2026-11-28T10:00Z", "2026-11-28T12:00+02:00"),
            ("2026-11-28T10:00", "2026-11-28T10:00"),
            ("2026-11-28T00:00", "2026-11-28T00:00"),
        ):
            heard = await ours.ask("POST", SIDEDATA, json={"interval": {"start": start, "end": end}})
            assert heard.status == 400
            assert "exclusive" in json.loads(heard.body)["errors"][0]["detail"]


@pytest.mark.holds("9.1")
async def test_the_root_leads_to_the_dashboard() -> None:
    """302, and the page is there; without a token."""
    async with world() as ours:
        root = await ours.ask("GET", "/", token=None, allow_redirects=False)
        page = await ours.ask("GET", root.headers["Location"], token=None)
    assert (root.status, root.headers["Location"], page.status) == (302, "/dashboard", 200)
    assert page.headers["Content-Type"].startswith("text/html")
