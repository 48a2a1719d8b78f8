"""Workers and services as processes, each with zone data of its own."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from sidedata.failpoints import VARIABLE
from tests.support.constants import SECRET
from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline
from tests.support.processes.serving import address, serving
from tests.support.processes.worker_process import WorkerProcess
from tests.support.redis.users import as_user

LEASE_MS = 1_000


@asynccontextmanager
async def worker(pipe: Pipeline, zones: Path, log: Path, failpoint: str = "") -> AsyncIterator[WorkerProcess]:
    """A `sidedata worker` with a folder of zone files, killed at the end if it still runs."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SIDEDATA_")},
        "SIDEDATA_REDIS_URL": as_user("worker", pipe.settings.redis_url),
        "SIDEDATA_SECRET": SECRET,
        "SIDEDATA_WORKER_PORT": "0",
        "SIDEDATA_LEASE_MS": str(LEASE_MS),
        "PYTHONPATH": str(ROOT),
        "PYTHONTZPATH": str(zones),
        VARIABLE: failpoint,
    }
    process = WorkerProcess([sys.executable, "-m", "sidedata.cli.main", "worker"], environment, log)
    try:
        yield process
    finally:
        if process.status is None:
            await process.killed()


@asynccontextmanager
async def service(pipe: Pipeline, zones: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a `sidedata serve` that has a folder of zone files."""
    async with (
        serving(pipe.settings.redis_url, SIDEDATA_SECRET=SECRET, PYTHONTZPATH=str(zones)) as process,
        aiohttp.ClientSession(await address(process), headers=pipe.http.headers) as http,
    ):
        yield http
