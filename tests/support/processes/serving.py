"""`sidedata serve` as a process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.support.processes.service import WORKFLOWS
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR

# The command line's own group, so that errors leave as they do for users; nothing has to be installed for it.
PROGRAM = "from sidedata.cli.main import LazyGroup; from sidedata.service.commands import serve; LazyGroup(commands=[serve])()"


@asynccontextmanager
async def serving(url: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command with its settings in the environment, killed at the end if it still runs."""
    settings = {
        "SIDEDATA_REDIS_URL": as_user("service", url),
        "SIDEDATA_SECRET": "s",
        "SIDEDATA_PORT": "0",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "serve"),
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=64 << 20,  # its log is read at the end only; a full pipe would stop the process
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address(process: asyncio.subprocess.Process) -> str:
    """Where it says that it listens."""
    assert process.stdout is not None
    async with asyncio.timeout(20 * TIME_FACTOR):
        line = (await process.stdout.readline()).decode()
    assert "listening on http://127.0.0.1:" in line
    return line.split()[-1]


async def status(http: aiohttp.ClientSession, base: str, token: str, path: str = WORKFLOWS) -> int:
    """The status of the response to a request."""
    async with http.get(base + path, headers={"Authorization": f"Token {token}"}) as answer:
        return answer.status
