"""The synchronous producer, for programs without an event loop: the asynchronous one in a thread of its own."""

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Coroutine, Mapping
from concurrent import futures
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sidedata.plural import counted
from sidedata.producer.errors import DeliveryFailed, ProducerError
from sidedata.producer.limits import Limits
from sidedata.producer.producer import Producer

Result = TypeVar("Result")

_EXIT_SECONDS: Final = 5.0
_CLOSED: Final = "the producer was closed"
_log: Final = logging.getLogger("sidedata.producer")


class _Loop:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        # Not the policy's loop: gunicorn and others may have set uvloop, which makes no promise for a process that forks.
        self._loop = asyncio.SelectorEventLoop()
        self._gate = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._live, name="sidedata-producer", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result], timeout: float | None = None) -> Result:
        """Run a coroutine in the loop and wait for its result; it is cancelled after `timeout` seconds.

        Raises:
            TimeoutError: it took longer.
            ProducerError: the loop is stopped.
        """
        with self._gate:  # so that no work arrives behind the last round of the loop, to be waited for without end
            if self._stopped:
                work.close()
                raise ProducerError(_CLOSED)
            running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result(timeout)
        except futures.TimeoutError:
            running.cancel()
            raise
        except futures.CancelledError:
            raise ProducerError(_CLOSED) from None

    def stop(self) -> None:
        """Cancel the loop's tasks and end its thread."""
        with self._gate:
            self._stopped = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _live(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._cancel_all())
        self._loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SyncProducer:
    """Sends events from threads. Connects, and starts its thread, at the first event; so it may be a module's constant.

    Safe to share between threads. After a fork the child starts with an empty buffer, a connection and a thread of its own;
    the parent sends the events that it took.

    Args:
        url, limits, partitions: as of `Producer`.

    Raises:
        ProducerError: the address can not be read.
    """

    def __init__(self, url: str, *, limits: Limits | None = None, partitions: int | None = None) -> None:
        from sidedata.producer.connection import check_address  # noqa: PLC0415 - see there

        check_address(url)
        self._url = url
        self._limits = limits
        self._partitions = partitions
        self._closed = False
        self._starting = threading.Lock()
        self._running: tuple[_Loop, Producer] | None = None
        _producers.add(self)

    @property
    def sent(self) -> int:
        """Number of events that this process has put in the stream."""
        running = self._running
        return 0 if running is None else running[1].sent

    @property
    def waiting(self) -> int:
        """Number of events that were taken and are neither in the stream nor lost."""
        running = self._running
        return 0 if running is None else running[1].waiting

    def __enter__(self) -> Self:
        self._run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, event: Mapping[str, Any] | bytes, timeout: float | None = 30.0) -> None:
        """Send an event and return when it is in the stream.

        Raises:
            InvalidEvent: the event can never be applied; nothing was sent.
            DeliveryFailed: the event is not known to be in the stream after `timeout` seconds (None: no limit).
            ProducerError: the producer is closed, or could not start.
        """
        loop, producer = self._run()
        try:
            loop.call(producer.send(event), timeout)
        except TimeoutError:
            raise DeliveryFailed(f"the event was not sent within {timeout:g} seconds") from None

    def send_nowait(self, event: Mapping[str, Any] | bytes) -> None:
        """Take an event without waiting for Redis, but for the start at the first event.

        A lost event is reported by `flush` or `close`.

        Raises:
            InvalidEvent: the event can never be applied; it was not taken.
            BufferFull: too many events wait; this one was not taken.
            ProducerError: the producer is closed, or could not start.
        """
        loop, producer = self._run()

        async def take() -> None:
            producer.send_nowait(event)

        loop.call(take())

    def flush(self, timeout: float | None = 30.0) -> None:
        """Send what waits and return when all that was taken before this call is in the stream.

        Raises:
            DeliveryFailed: events of `send_nowait` were lost, or still wait after `timeout` seconds (None: no limit).
            ProducerError: the producer is closed.
        """
        if self._closed:
            raise ProducerError(_CLOSED)
        running = self._running
        if running is None:
            return  # no event was taken
        loop, producer = running
        try:
            loop.call(producer.flush(), timeout)
        except TimeoutError:
            error = DeliveryFailed(
                f"{counted(producer.waiting, 'event still waits', 'events still wait')} after {timeout:g} seconds"
            )
            error.events = producer.waiting
            raise error from None

    def close(self, timeout: float | None = 30.0) -> None:
        """Take no more events, send what waits for at most `timeout` seconds, disconnect, end the thread.

        Raises:
            DeliveryFailed: events of `send_nowait` were lost; `events` is their number.
        """
        with self._starting:
            self._closed = True
            running, self._running = self._running, None
        if running is None:
            return
        loop, producer = running
        try:
            loop.call(producer.close(timeout))
        finally:
            loop.stop()

    def _run(self) -> tuple[_Loop, Producer]:
        running = self._running
        if running is not None:
            return running
        with self._starting:
            if self._closed:
                raise ProducerError(_CLOSED)
            if self._running is None:
                self._running = self._start()
            return self._running

    def _start(self) -> tuple[_Loop, Producer]:
        loop = _Loop()
        producer = Producer(self._url, limits=self._limits, partitions=self._partitions)
        try:
            loop.call(producer.start())
        except BaseException:
            loop.stop()
            raise
        return loop, producer

    def after_fork(self) -> None:
        """Drop the parent's state. Called in the child, where no other thread lives."""
        if self._running is not None:
            # Never finalized: the loop shares its epoll with the parent's, and closing it here would stop the parent's.
            _inherited.append(self._running)
        self._running = None
        self._starting = threading.Lock()  # a thread of the parent may have held it


_producers: "weakref.WeakSet[SyncProducer]" = weakref.WeakSet()
_inherited: list[tuple[_Loop, Producer]] = []


def _after_fork() -> None:
    for producer in tuple(_producers):
        producer.after_fork()


def _at_exit() -> None:
    """Send what waits before the interpreter ends, for a few seconds at most."""
    for producer in tuple(_producers):
        try:
            producer.close(_EXIT_SECONDS)
        except ProducerError as error:
            with contextlib.suppress(ValueError):  # a closed stream of the log
                _log.warning("at exit: %s", error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
