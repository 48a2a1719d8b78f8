"""Waiting for a condition instead of for a time."""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

import redis

VARIABLE = "SIDEDATA_TEST_TIME_FACTOR"
_BUSY = 4.0
# How many times longer than promised a step may take in a test. The default is for a machine that runs client and servers and has
# other work as well; a quiet one sets 1 and so holds the limits as they are promised. A worker of xdist has another one beside it,
# so its machine is never quiet: tests that hold a promised limit are marked `alone`.
TIME_FACTOR = float(os.environ.get(VARIABLE, _BUSY))
if "PYTEST_XDIST_WORKER" in os.environ:
    TIME_FACTOR = max(TIME_FACTOR, _BUSY)


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10, what: str = "", *, pause: float = 0.01
) -> float:
    """Wait until a condition holds, which is checked every `pause` seconds, and return the seconds that it took.

    Args:
        seconds: the limit, before `TIME_FACTOR`.
        what: the condition in words, for the failure.
    """
    # By the clock and not by `asyncio.timeout`: on Python 3.11 redis-py can lose a cancellation (in `asyncio.wait_for`).
    start = time.monotonic()
    while True:
        holds = condition()
        if isawaitable(holds):
            holds = await holds
        if holds:
            return time.monotonic() - start
        assert time.monotonic() - start < seconds * TIME_FACTOR, f"not within {seconds * TIME_FACTOR} s: {what}"
        await asyncio.sleep(pause)


def block_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait as `eventually` does, in code without an event loop; a condition that can't be checked yet doesn't hold."""
    limit = time.monotonic() + seconds * TIME_FACTOR
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < limit, f"not within {seconds * TIME_FACTOR} s: {what}"
        time.sleep(0.02)
