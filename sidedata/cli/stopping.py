"""The orderly end of a command that runs until a signal stops it."""

import asyncio
import signal
from collections.abc import Coroutine

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(work: Coroutine[object, None, None]) -> None:
    """Run `work` until it ends or a signal comes; the first signal cancels it, and its clean-up is awaited."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    signalled = False

    def stop() -> None:
        nonlocal signalled
        if not signalled:  # a second Ctrl-C must not interrupt the clean-up that the first one began
            signalled = True
            task.cancel()

    # Under nohup SIGHUP stays ignored. (A shell's background job ignores SIGINT as well, but its sender means this process.)
    numbers = [number for number in _SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not signalled:
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def until_first_ends(*works: Coroutine[object, None, None]) -> None:
    """Run all until the first ends, cancel the others, and raise the exception of the first, if any."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
