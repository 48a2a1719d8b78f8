"""The stage: a Redis that keeps everything (append-only, fsync always) and dies on command, and worker processes that do too."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from sidedata.failpoints import VARIABLE
from tests.support.constants import SECRET
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.torture.proxy import Proxy, proxied

LEASE_MS = 1_000
PARTITIONS = 4
_WRONG_CLOCK = Path(__file__).with_name("wrong_clock.py")
_READY_SECONDS = 30.0
_LEAVE_SECONDS = 10.0


class TortureError(AssertionError):
    """Something happened that must not happen."""


class WorkerProcess:
    """One real `sidedata worker`."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=output)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def log(self) -> str:
        """The process's output so far."""
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it is gone."""
        self._process.send_signal(number)

    async def ready(self) -> bool:
        """Wait until it works; False if it died before."""
        limit = time.monotonic() + _READY_SECONDS
        while b'"worker ' not in self._log.read_bytes():
            if self.status is not None:
                return False
            if time.monotonic() > limit:
                raise TortureError(f"a worker doesn't start: {self.log()[-2000:]}")
            await asyncio.sleep(0.02)
        return True

    async def gone(self, seconds: float) -> bool:
        """Wait until it has ended, so long at most."""
        limit = time.monotonic() + seconds
        while self.status is None:
            if time.monotonic() > limit:
                return False
            await asyncio.sleep(0.02)
        return True

    async def frozen(self, seconds: float) -> bool:
        """Wait until it has frozen itself, so long at most."""
        limit = time.monotonic() + seconds
        flags = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        while self.status is None:
            if os.waitid(os.P_PID, self._process.pid, flags) is not None:  # noqa: ASYNC222 - it doesn't wait (WNOHANG)
                return True
            if time.monotonic() > limit:
                break
            await asyncio.sleep(0.02)
        return False

    async def killed(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        await self.gone(10)

    async def left(self) -> None:
        """SIGTERM, and the promise that comes with it: gone with 0 within 10 seconds."""
        self.signal(signal.SIGTERM)
        if not await self.gone(_LEAVE_SECONDS):
            raise TortureError(f"a worker didn't leave within 10 s: {self.log()[-2000:]}")


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
