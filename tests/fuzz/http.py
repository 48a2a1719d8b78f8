"""Requests made from /openapi.json, right and wrong ones, over raw sockets; and what must hold of every answer."""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.fuzz.requests import operations, request

# Every answer is due within a second; the rest is for a machine that does other things too.
_ANSWER_SECONDS = 5.0
_PAGES = (b"text/html", b"text/javascript", b"text/css", b"text/csv", b"text/plain", b"application/openmetrics-text")


class RawResponse(NamedTuple):
    """A response, or as much of it as was awaited."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


async def answer_to(port: int, sent: bytes, seconds: float = _ANSWER_SECONDS) -> RawResponse | None:
    """Send the bytes, hear the answer: all of it, or of a stream its first event; None for a connection closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(seconds):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 100"):
                    head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return None
            line, *rest = head[:-4].split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in rest)}
            streams = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            body = b"" if streams else await reader.read()
            return RawResponse(int(line.split(b" ")[1]), headers, body)
    finally:
        writer.close()


def check(sent: bytes, answer: RawResponse | None, *, framed: bool) -> None:
    """Assert the properties of every answer."""
    if answer is None:
        assert not framed, sent[:500]  # only what is no HTTP may end without one
        return
    status, headers, body = answer
    assert status < 500, (sent[:1500], answer)
    assert headers[b"server"] == b"sidedata"
    kind = headers.get(b"content-type", b"").partition(b";")[0]
    # What can't be read as HTTP has no method either.
    if (
        (sent.startswith(b"HEAD ") and b"be read as HTTP" not in body)
        or status in {302, 304}  # 302: the start page leads to the dashboard
        or kind.startswith(b"text/event-stream")
    ):
        assert body == b"", (sent[:1500], answer)
    elif status >= 400:
        assert kind == b"application/problem+json", (sent[:500], answer)
        problem = json.loads(body)
        assert problem["status"] == status
        assert problem["detail"]
        assert b"Traceback" not in body
    elif kind not in _PAGES:
        assert kind == b"application/json", (sent[:500], answer)
        json.loads(body)


async def run(port: int, token: str, document: Mapping[str, Any], *, seed: int, inputs: int, seconds: float) -> int:
    """Send that many requests, eight at a time, within that time; how many it were."""
    offered = operations(document)
    deadline = time.monotonic() + seconds
    numbers = iter(range(inputs))

    async def sending() -> int:
        count = 0
        for number in numbers:
            dice = random.Random(f"http {seed} {number}")
            sent, framed = request(dice, dice.choice(offered), token)
            try:
                check(sent, await answer_to(port, sent, _ANSWER_SECONDS if framed else 0.2), framed=framed)
            except TimeoutError:
                # A body that is shorter than it says, or a chunk without an end, is waited for.
                assert not framed, f"request {number} of seed {seed} was not answered: {sent[:500]!r}"
            count += 1
            if time.monotonic() > deadline:
                break
        return count

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sending()) for _ in range(8)]
    return sum(task.result() for task in tasks)
