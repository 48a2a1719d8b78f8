"""Limits of events over HTTP: sizes, numbers, gzip, and a full backlog."""

import asyncio
import gzip
import json
import zlib

import msgspec
import pytest

from sidedata.service.http.bodies import Gunzip
from sidedata.service.http.problems import ProblemError
from tests.support.processes.service import EVENTS, world
from tests.support.senders.http_ingest import JSON, NDJSON, STREAM, event, stored


@pytest.mark.holds("2.2.1")
async def test_10000_events_are_taken_and_no_more() -> None:
    """They stand in entries of a thousand."""
    raw = json.dumps(event()).encode()
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=b"\n".join([raw] * 10_001), headers=NDJSON)
        assert heard.status == 413
        assert not await ours.client.exists(STREAM)
        heard = await ours.ask("POST", EVENTS, data=b"\n".join([raw] * 10_000), headers=NDJSON)
        assert (heard.status, heard.body) == (202, b'{"accepted":10000}')
        assert [len(entry) for entry in await stored(ours)] == [1000] * 10


@pytest.mark.parametrize("element", [b"0", b"{}", b'""', b"[]"])
async def test_millions_of_elements_are_refused_before_they_are_read(element: bytes) -> None:
    """An array that is all commas would take a hundred times its size in memory."""
    async with world() as ours:
        body = b"[" + b",".join([element] * 3_000_000) + b"]"
        heard = await ours.ask("POST", EVENTS, data=body, headers=JSON)
    assert heard.status == 413


@pytest.mark.holds("2.2.1")
async def test_gzip_is_taken_in_several_members_too() -> None:
    """Files put one behind another are one body."""
    first, second = (json.dumps(event(id=name)).encode() + b"\n" for name in "ab")
    async with world() as ours:
        body = gzip.compress(first) + gzip.compress(b"") + gzip.compress(second) + b"\0" * 100
        heard = await ours.ask("POST", EVENTS, data=body, headers={**NDJSON, "Content-Encoding": "gzip"})
        assert (heard.status, heard.body) == (202, b'{"accepted":2}')
        assert await stored(ours) == [[event(id="a"), event(id="b")]]


@pytest.mark.holds("2.2.1", "6.6")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(b"[]")[:-4], 400),
        (gzip.compress(b"[]")[:5], 400),
        (b"", 400),
        (gzip.compress(b"[]") + b"rest", 400),
        (b"\0" + gzip.compress(b"[]"), 400),
        (zlib.compress(b"[]"), 400),
        (gzip.compress(b" " * (10 * 1024 * 1024 + 1)), 413),
        (gzip.compress(b" " * 200_000_000), 413),
        (gzip.compress(b"") * 20_000, 400),
    ],
    ids=["no end", "no head", "empty", "rest", "zeros first", "zlib", "just over", "bomb", "all members"],
)
async def test_broken_gzip_and_bombs(body: bytes, status: int) -> None:
    """A truncated body is a 400, a body that decompresses beyond the limit a 413."""
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=body, headers={**JSON, "Content-Encoding": "gzip"})
    assert heard.status == status


@pytest.mark.holds("2.2.1", "6.6")
async def test_ten_mib_are_taken_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of the decoded body, to the byte."""
    monkeypatch.setattr(
        "sidedata.service.server.listener.LINGERING_SECONDS", 0.1
    )  # the client leaves before its body is read
    limit = 10 * 1024 * 1024
    async with world() as ours:
        whole = await ours.ask("POST", EVENTS, data=b"[]".ljust(limit), headers=JSON)
        over = await ours.ask("POST", EVENTS, data=b"[]".ljust(limit + 1), headers=JSON)
        packed = gzip.compress(b"[]".ljust(limit))
        unfolded = await ours.ask("POST", EVENTS, data=packed, headers={**JSON, "Content-Encoding": "gzip"})
    assert (whole.status, over.status, unfolded.status) == (202, 413, 202)


def test_gunzip_takes_any_cut() -> None:
    """Bytes may come in one by one, across members and their padding."""
    sent = gzip.compress(b"one") + b"\0\0" + gzip.compress(b"two")
    gunzip = Gunzip(6)
    for place in range(len(sent)):
        gunzip.feed(sent[place : place + 1])
    assert gunzip.finish() == b"onetwo"
    with pytest.raises(ProblemError):
        Gunzip(5).feed(sent)


@pytest.mark.holds("2.2.4")
async def test_a_full_backlog_is_a_503() -> None:
    """Above the limit nothing is taken until the worker has caught up."""
    async with world(backlog_limit=2) as ours:
        statuses = [(await ours.ask("POST", EVENTS, json=[event()])).status for _ in range(4)]
        refused = await ours.ask("POST", EVENTS, json=[event()])
        await ours.client.xtrim(STREAM, maxlen=2, approximate=False)
        again = await ours.ask("POST", EVENTS, json=[event()])
    assert statuses == [202, 202, 202, 503]
    assert (refused.headers["Retry-After"], again.status) == ("1", 202)


async def test_a_large_request_leaves_room_for_others() -> None:
    """While ten thousand events are judged, other requests are answered."""
    body = msgspec.json.encode([event()] * 10_000)
    async with world() as ours:
        large = asyncio.create_task(ours.ask("POST", EVENTS, data=body, headers=JSON))
        small = 0
        while not large.done():
            await ours.ask("GET", "/livez", token=None)
            small += 1
        assert (await large).status == 202
    assert small > 3
