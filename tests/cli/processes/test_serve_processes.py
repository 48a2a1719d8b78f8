"""`sidedata serve --processes`: one port, several processes, caches that stay right, and what becomes of one that dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from sidedata.ingest.worker.drain import drain
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG
from tests.support.events import PAGES, view
from tests.support.processes.serving import address, serving
from tests.support.redis.client import connect
from tests.support.redis.users import as_user
from tests.support.waiting import eventually

EVENTS = f"/api/ingest/v1/orgs/{ORG}/events"
REPORT = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/"
SETTINGS = Settings(secret="s")  # noqa: S106 - as `serving` has it


def children(process: asyncio.subprocess.Process) -> set[int]:
    """The processes that it has started and that live."""
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def is_alive(pid: int) -> bool:
    """Tell if there is such a process."""
    return Path(f"/proc/{pid}").exists()


@asynccontextmanager
async def several(url: str, count: int = 2) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, dict[str, str]]]:
    """The command with that number of processes, its address, and the headers that open it."""
    client = connect(url, timeout=5)
    try:
        token, _ = await create_token(client, ORG, ["reports", "ingest"])
    finally:
        await client.aclose()
    async with serving(url, SIDEDATA_PROCESSES=str(count)) as process:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        assert f"with {count} processes" in line
        yield process, line.split()[4], {"Authorization": f"Token {token}"}


async def count_of_any_process(base: str, headers: dict[str, str]) -> int:
    """The answer of whichever process takes a new connection; -1 if it doesn't answer."""
    now = datetime.now(UTC)
    asked = {"start": (now - timedelta(hours=3)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    try:
        async with (
            aiohttp.ClientSession(base, headers=headers, timeout=aiohttp.ClientTimeout(total=0.5)) as http,
            http.get(REPORT, params=asked) as response,
        ):
            return int((await response.json())["unique_visitors_count"]) if response.status == 200 else -1
    except (TimeoutError, aiohttp.ClientError):
        return -1


@pytest.mark.parametrize("processes", [2, 4])
async def test_each_answers_and_none_is_behind(redis_url: str, processes: int) -> None:
    """While one is stopped the others answer, whichever it is, with what was applied last; SIGTERM ends all with 0."""
    client = connect(redis_url, timeout=5)
    try:
        installation = await open_installation(client, SETTINGS)
        async with several(redis_url, processes) as (process, base, headers):
            pids = children(process)
            assert len(pids) == processes
            for count in (1, 2, 3):
                async with aiohttp.ClientSession(base, headers=headers) as http:
                    event = view(datetime.now(UTC), visitor=f"v{count}")
                    async with http.post(EVENTS, data=event, headers={"Content-Type": "application/x-ndjson"}) as reply:
                        assert reply.status == 202
                await drain(as_user("worker", client), installation, SETTINGS)
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                    answers: set[int] = set()
                    try:
                        async with asyncio.timeout(30):
                            while not answers:  # on a busy machine the others may take longer than a request waits
                                asked = (count_of_any_process(base, headers) for _ in range(12))
                                answers = set(await asyncio.gather(*asked)) - {-1}
                    finally:
                        os.kill(pid, signal.SIGCONT)
                    assert answers == {count}
            async with aiohttp.ClientSession(base) as http, http.get("/metrics") as reply:
                assert "sidedata_ingest_events_total 3.0" in await reply.text()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
    finally:
        await client.aclose()


@pytest.mark.parametrize("processes", [2, 4])
async def test_one_that_is_killed_is_started_again(redis_url: str, processes: int) -> None:
    """The others answer meanwhile; and none outlives the one that started them."""
    async with several(redis_url, processes) as (process, base, headers):
        killed, *left = children(process)
        os.kill(killed, signal.SIGKILL)

        async def replaced() -> bool:
            return len(children(process) - {killed}) == processes

        async with aiohttp.ClientSession(base, headers=headers) as http, http.get("/livez") as reply:
            assert reply.status == 200
        await eventually(replaced)
        pids = children(process)
        assert set(left) <= pids
        process.kill()

        async def gone() -> bool:
            return not any(is_alive(pid) for pid in pids)

        await eventually(gone)


async def test_what_keeps_one_from_running_is_said_once(redis_url: str) -> None:
    """Another secret, a taken port: exit 1 with one line, several processes or not."""
    async with serving(redis_url) as process:
        port = (await address(process)).rpartition(":")[2]
        for variables, word in (
            ({"SIDEDATA_SECRET": "another"}, "SIDEDATA_SECRET"),
            ({"SIDEDATA_PORT": port}, "can't listen"),
        ):
            async with serving(redis_url, SIDEDATA_PROCESSES="2", **variables) as refused, asyncio.timeout(20):
                _, errors = await refused.communicate()
                assert refused.returncode == 1
                assert word in errors.decode()
                assert len(errors.splitlines()) == 1
