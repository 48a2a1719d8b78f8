"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

# How much longer than promised a thing may take in a test, on a machine that is client and server and has other work as well.
TIME_FACTOR = 4


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Return when the condition holds; it is looked at again and again."""
    # By the clock and not by `asyncio.timeout`: on Python 3.11 redis-py can lose a cancellation (in `asyncio.wait_for`).
    limit = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < limit, f"not within {seconds} s"
        await asyncio.sleep(0.01)
