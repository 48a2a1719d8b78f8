"""Reports, live streams and connections by way of a proxy."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.support.proxies.front import Front, ask, count, interval, report
from tests.support.waiting import TIME_FACTOR

pytestmark = pytest.mark.undeployed("`sidedata up` brings a Redis of its own")


async def test_a_report_comes_over_tls(front: Front, organization: str) -> None:
    """An event goes in through the proxy and is in the report within its second."""
    await count(front, organization, "v", 1)
    answer = await ask(front, report(organization), body=json.dumps({"interval": interval()}).encode())
    assert "strict-transport-security: max-age=31536000" in answer.head
    assert "sidedata-effective-interval: " in answer.head
    assert answer.head.startswith("http/2 200")


async def event(stream: asyncio.StreamReader) -> int:
    """Return the visitors of the stream's next event with numbers."""
    name = b""
    while line := await stream.readline():
        if line.startswith(b"event: "):
            name = line.strip()
        elif line.startswith(b"data: ") and name == b"event: sidedata":
            return int(json.loads(line[6:])["unique_visitors_count"])
    raise AssertionError("the stream has ended")


@pytest.mark.alone
async def test_a_live_stream_is_not_held_back(front: Front, organization: str) -> None:
    """The first event comes within its second, and so does a change."""
    await count(front, organization, "first", 10)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *front.curl(f"{report(organization)}live?window=PT1H"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(10 * TIME_FACTOR):
            assert await event(process.stdout) == 1
            assert time.monotonic() - began < 1 * TIME_FACTOR
            await count(front, organization, "second", 1)
            assert await event(process.stdout) == 2
            assert time.monotonic() - began < 2.5 * TIME_FACTOR
    finally:
        process.kill()
        await process.communicate()


def connections(port: int) -> int:
    """Count the connections to a port on 127.0.0.1, those that were closed within the last minute (TIME_WAIT) included."""
    target = f"0100007F:{port:04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]]
    listening = "0A"
    return sum(target in (columns[1], columns[2]) for columns in table if columns[3] != listening)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="there is no /proc/net/tcp here")
async def test_connections_to_the_service_are_kept(front: Front) -> None:
    """A hundred requests one after the other need a handful of new connections from the proxy to the service."""
    before = connections(front.service.port)
    await ask(front, "/openapi.json?[1-100]")
    assert connections(front.service.port) < before + 10
