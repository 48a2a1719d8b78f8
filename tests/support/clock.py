"""A clock that tests move by hand."""

import asyncio


class ManualClock:
    """A clock that stands still until `set` or a sleep moves it; see `sidedata.clock.Clock`."""

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
