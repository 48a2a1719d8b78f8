"""The cost of live streams for a real Redis, and their delay."""

import asyncio
import json
import re
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlencode

import aiohttp
import pytest

from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.events import PAGES, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.waiting import TIME_FACTOR, eventually

LISTENERS = 1_000
POLLS = 16
LIVE = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/live"


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    """Room for both ends of every connection, which are all of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * LISTENERS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this process may open {hard} files, and {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def next_count(response: aiohttp.ClientResponse) -> int:
    """The number in the next answer of a stream."""
    async with asyncio.timeout(30):
        named = ""
        while not (line := (await response.content.readline()).decode()).startswith("data: ") or named != "sidedata":
            assert line, "the stream ended"
            if line.startswith("event: "):
                named = line.removeprefix("event: ").strip()
    count = json.loads(line.removeprefix("data: "))["unique_visitors_count"]
    assert isinstance(count, int)
    return count


@asynccontextmanager
async def listening(pipe: Pipeline, count: int, query: str) -> AsyncIterator[list[aiohttp.ClientResponse]]:
    """Open that number of streams, each with its first answer."""
    async with pipe.http.get("/livez") as response:
        origin = response.url.origin()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(origin, headers=pipe.http.headers, connector=connector) as http:
        streams: list[aiohttp.ClientResponse] = []
        while len(streams) < count:
            asked = [http.get(f"{LIVE}?{query}") for _ in range(min(50, count - len(streams)))]
            for stream in await asyncio.gather(*asked):
                if stream.status == 200:
                    streams.append(stream)
                else:  # client and server share one busy loop: a stream that waited too long connects again
                    assert stream.status == 503
                    stream.close()
        await asyncio.gather(*map(next_count, streams))
        yield streams
        for stream in streams:
            stream.close()


async def polls(pipe: Pipeline) -> int:
    """The number of answers computed for streams so far."""
    async with pipe.http.get("/metrics") as response:
        [found] = re.findall(r"^sidedata_live_polls_total (\S+)$", await response.text(), re.MULTILINE)
    return int(float(found))


async def commands(pipe: Pipeline) -> int:
    """The number of commands that Redis has run so far, including those in scripts."""
    stats = await pipe.client.info("commandstats")
    return sum(stat["calls"] for name, stat in stats.items() if name != "cmdstat_info")


async def cost(pipe: Pipeline, count: int, query: str) -> float:
    """Count Redis's commands for each poll with that number of listeners; one poll sees a change."""
    async with listening(pipe, count, query) as streams:
        begun, before = await polls(pipe), await commands(pipe)

        async def often() -> bool:
            return await polls(pipe) >= begun + POLLS

        await eventually(often)
        done, after = await polls(pipe), await commands(pipe)
        await pipe.apply([view(await pipe.now(), f"{count}-{query}")])
        assert len(set(await asyncio.gather(*map(next_count, streams)))) == 1, "all are told the same"
    return (after - before) / (done - begun)


@pytest.mark.holds("3.1.3")
@pytest.mark.parametrize("window", [False, True])
async def test_a_thousand_listeners_cost_redis_what_one_does(redis_url: str, *, window: bool) -> None:
    """By Redis's own count of commands, for a fixed interval and for a window that moves along."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        now = await pipe.now()
        await pipe.apply([view(now - timedelta(minutes=minutes), f"v{minutes}") for minutes in range(40)])
        fixed = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(days=1)).isoformat()}
        query = "window=PT1H" if window else urlencode(fixed)
        one, thousand = await cost(pipe, 1, query), await cost(pipe, LISTENERS, query)
        assert one > 0
        # The rest is the token, looked at every two seconds for all of them together.
        assert thousand < 2 * one, f"{one} commands a poll for one listener, {thousand} for {LISTENERS}"


@pytest.mark.alone
@pytest.mark.holds("3.1.5")
async def test_what_enters_the_stream_shows_in_time(redis_url: str) -> None:
    """Within a second and a half, time after time, with a worker that runs by itself."""
    stop = asyncio.Event()
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        working = asyncio.create_task(Worker(pipe.client, pipe.installation, pipe.settings).run(stop))
        try:
            leases = [keys.keyspace(partition).lease for partition in range(4)]

            async def owned() -> bool:
                return bool(await pipe.client.exists(*leases) == 4)

            await eventually(owned)
            async with listening(pipe, 1, "window=PT1H") as [stream]:
                for count in range(1, 5):
                    began = time.monotonic()
                    await pipe.push(view(await pipe.now(), f"v{count}"))
                    assert await next_count(stream) == count
                    assert time.monotonic() - began < 1.5 * TIME_FACTOR
        finally:
            stop.set()
            await working
