"""The orderly end of a command that runs until a signal stops it."""

import asyncio
import signal
from collections.abc import Coroutine

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT (Ctrl-C), SIGTERM and SIGHUP set; a second signal interrupts nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        # Under nohup SIGHUP stays ignored. (A shell's background job ignores SIGINT as well, but its sender means this process.)
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(work: Coroutine[object, None, None]) -> None:
    """Run `work` until it ends or a signal comes; the first signal cancels it, and its clean-up is awaited."""
    stop = stop_on_signals()
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    stopping.add_done_callback(lambda _: task.cancel())
    try:
        await task
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        stopping.cancel()


async def until_first_ends(*works: Coroutine[object, None, object]) -> None:
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
