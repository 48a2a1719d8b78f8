"""`sidedata worker` as a process: its state, its log, and the signals that end, freeze and thaw it."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

_READY_SECONDS = 30.0
_LEAVE_SECONDS = 10.0


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
                raise AssertionError(f"a worker doesn't start: {self.log()[-2000:]}")
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
            raise AssertionError(f"a worker didn't leave within 10 s: {self.log()[-2000:]}")
