"""Waiting for a condition instead of for a time."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

VARIABLE = "SIDEDATA_TEST_TIME_FACTOR"
# How many times longer than promised a step may take in a test. The default is for a machine that runs client and servers and has
# other work as well; a quiet one sets 1 and so holds the limits as they are promised.
TIME_FACTOR = float(os.environ.get(VARIABLE, "4"))


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Return when the condition holds; it is looked at again and again."""
    # By the clock and not by `asyncio.timeout`: on Python 3.11 redis-py can lose a cancellation (in `asyncio.wait_for`).
    limit = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < limit, f"not within {seconds} s"
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Return when a condition of this process holds, which takes no question to look at."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for sends no signal
            await asyncio.sleep(0.01)
