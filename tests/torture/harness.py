"""The stage: a Redis that keeps everything (append-only, fsync always) and dies on command, and worker processes that do too."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from sidedata.failpoints import VARIABLE
from tests.support.constants import SECRET
from tests.support.processes.worker_process import WorkerProcess
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.torture.proxy import Proxy, proxied

LEASE_MS = 1_000
PARTITIONS = 4
_WRONG_CLOCK = Path(__file__).with_name("wrong_clock.py")


class TortureError(AssertionError):
    """Something happened that must not happen."""


class Stage:
    """Redis, the way to it that can be cut, and the workers."""

    def __init__(self, server: RedisServer, proxy: Proxy, proxy_url: str, kill_points: int) -> None:
        self.server = server
        self.proxy = proxy
        self.blows: Counter[str] = Counter()
        self.enough = asyncio.Event()  # as many kill points as were wanted
        # Held by scenes that need their connections to last; others may still send.
        self.redis_spared = asyncio.Lock()
        self._wanted = kill_points
        # Held by scenes that break Redis, and by the producer while it sends what it couldn't send again.
        self.redis_whole = asyncio.Lock()
        self.workers: list[WorkerProcess] = []
        self.lease_ms = LEASE_MS
        self._proxy_url = proxy_url

    @property
    def kill_points(self) -> int:
        """Blows struck so far; a clean leave is none."""
        return sum(count for name, count in self.blows.items() if name != "clean leave")

    def struck(self, name: str) -> None:
        """A blow was struck."""
        self.blows[name] += 1
        if self.kill_points >= self._wanted:
            self.enough.set()

    def start_worker(
        self, *, failpoint: str = "", by_proxy: bool = False, wrong_clock: bool = False, batch_events: int = 25
    ) -> WorkerProcess:
        """Start a worker process."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SIDEDATA_")},
            "SIDEDATA_REDIS_URL": as_user("worker", self._proxy_url if by_proxy else self.server.url),
            "SIDEDATA_SECRET": SECRET,
            "SIDEDATA_WORKER_PORT": "0",
            "SIDEDATA_LEASE_MS": str(self.lease_ms),
            "SIDEDATA_BATCH_EVENTS": str(batch_events),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            VARIABLE: failpoint,
        }
        command = [str(_WRONG_CLOCK)] if wrong_clock else ["-m", "sidedata.cli.main"]
        log = self.server.directory / f"worker-{len(self.workers)}.log"
        worker = WorkerProcess([sys.executable, *command, "worker"], environment, log)
        self.workers.append(worker)
        return worker

    async def kill_redis(self, down_seconds: float) -> None:
        """SIGKILL, and a start on the same append-only file."""
        async with self.redis_spared, self.redis_whole:
            await asyncio.to_thread(self.server.kill)
            await asyncio.sleep(down_seconds)
            await asyncio.to_thread(self.server.start)

    async def freeze_redis(self, seconds: float) -> None:
        """Connections stay open and nothing is answered, for so long."""
        async with self.redis_spared, self.redis_whole:
            self.server.freeze()
            await asyncio.sleep(seconds)
            self.server.thaw()

    def look_at_workers(self) -> None:
        """No worker may end but by our hand or when it was asked to.

        Raises:
            TortureError: one did.
        """
        for worker in self.workers:
            if worker.status not in (None, 0, -signal.SIGKILL):
                raise TortureError(f"a worker ended with {worker.status}: {worker.log()[-3000:]}")

    async def clear(self) -> None:
        """No worker is left."""
        for worker in self.workers:
            if worker.status is None:
                worker.signal(signal.SIGCONT)
                await worker.killed()


@contextlib.asynccontextmanager
async def stage(kill_points: int) -> AsyncIterator[Stage]:
    """Everything up, with no worker yet, for that number of failures."""
    server = RedisServer("--appendonly", "yes", "--appendfsync", "always")
    try:
        await asyncio.to_thread(server.start)
        way = server.directory / "p"
        async with proxied(server.directory / "s", way) as proxy:
            standing = Stage(server, proxy, server.url.replace(str(server.directory / "s"), str(way)), kill_points)
            try:
                yield standing
            finally:
                await standing.clear()
    finally:
        server.close()
