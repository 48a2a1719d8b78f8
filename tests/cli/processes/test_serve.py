"""`sidedata serve` as a process: it listens, prints its address, waits for Redis, and ends on a signal."""

import asyncio
import json
import signal
import time
from collections.abc import Callable

import aiohttp
import pytest

from sidedata.writes.tokens import create_token
from tests.support.constants import ORG
from tests.support.processes.service import QUERY, SIDEDATA, WORKFLOWS
from tests.support.processes.serving import address, serving
from tests.support.redis.client import connect
from tests.support.redis.servers import RedisServer


@pytest.mark.alone
@pytest.mark.holds("9.3")
async def test_it_serves_and_leaves_with_0(redis_url: str) -> None:
    """SIGTERM ends it at once, an open stream and a log in JSON notwithstanding."""
    client = connect(redis_url, timeout=5)
    try:
        token, _ = await create_token(client, ORG, ["reports"])
    finally:
        await client.aclose()
    async with serving(redis_url) as process:
        base = await address(process)
        async with aiohttp.ClientSession(base, headers={"Authorization": f"Token {token}"}) as http:
            async with http.get(WORKFLOWS) as answer:
                assert (answer.status, await answer.json()) == (200, [])
            async with http.get(f"{SIDEDATA}/live?{QUERY}") as answer:
                assert answer.status == 404
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                _, errors = await process.communicate()
        assert time.monotonic() - start < 3
        assert process.returncode == 0, errors.decode()
        assert {json.loads(line)["level"] for line in errors.splitlines()} == {"INFO"}
        assert token not in errors.decode()


async def test_it_waits_for_redis(private_server: Callable[..., RedisServer]) -> None:
    """Without Redis it listens and answers 503; once Redis is there it answers."""
    server = private_server()
    server.kill()
    async with serving(server.url) as process:
        async with aiohttp.ClientSession(await address(process)) as http:
            async with http.get("/readyz") as answer:
                assert answer.status == 503
            async with http.get(WORKFLOWS, headers={"Authorization": "Token sd_" + "x" * 43}) as answer:
                assert answer.status == 503
            server.start()
            async with asyncio.timeout(10):
                while True:
                    async with http.get("/readyz") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            await process.communicate()
        assert process.returncode == 0


@pytest.mark.holds("2.1.2", "8.13")
async def test_it_stops_where_it_must_not_run(redis_url: str) -> None:
    """Another secret, no secret, a taken port, a host that is none: exit 1 with one line."""
    async with serving(redis_url) as process:
        port = (await address(process)).rpartition(":")[2]
        for variables, word in (
            ({"SIDEDATA_SECRET": "another"}, "SIDEDATA_SECRET"),
            ({"SIDEDATA_SECRET": ""}, "SIDEDATA_SECRET"),
            ({"SIDEDATA_PARTITIONS": "3"}, "SIDEDATA_PARTITIONS"),
            ({"SIDEDATA_PORT": port}, "can't listen"),
            ({"SIDEDATA_HOST": "nowhere.invalid"}, "there is no such host"),
        ):
            async with serving(redis_url, **variables) as refused, asyncio.timeout(20):
                _, errors = await refused.communicate()
                assert refused.returncode == 1
                assert word in errors.decode()
                assert len(errors.splitlines()) == 1
