"""Time as an argument, so that tests control it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock seconds for decisions, sleeping for loops."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` go by."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since the Unix epoch, as the machine has them."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep for real."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock for tests: it stands still until `set` or a sleep moves it."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        """The time last set."""
        return self._now

    def set(self, now: float) -> None:
        """Set the time, in seconds since the Unix epoch."""
        self._now = now

    async def sleep(self, seconds: float) -> None:
        """Move the time on by `seconds` and let other tasks run."""
        self._now += seconds
        await asyncio.sleep(0)
