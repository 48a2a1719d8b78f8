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
