"""One refresh at a time, shared by all requests that wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import NamedTuple

from sidedata.errors import StoreUnavailableError, late_error
from sidedata.service.report.plan import Requirements

# A refresh that takes longer is given up: each answer is due within a second.
_TIMEOUT_SECONDS = 0.75

Refresh = Callable[[Collection[Requirements], float], Awaitable[None]]


class _Waiter(NamedTuple):
    future: asyncio.Future[None]
    requirements: Requirements
    now: float


class SharedRefresh:
    """Joins concurrent requests for a refresh; `clear` is called when one fails, `doubt` when one takes too long."""

    def __init__(self, refresh: Refresh, clear: Callable[[], None], doubt: Callable[[], None]) -> None:
        self._refresh = refresh
        self._clear = clear
        self._doubt = doubt
        self._waiters: list[_Waiter] = []
        self._task: asyncio.Task[None] | None = None

    async def join(self, requirements: Requirements, now: float) -> None:
        """Join the next refresh, never one that is already running.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(_Waiter(future, requirements, now))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        await future

    async def _run(self) -> None:
        """Refresh until there are no waiters."""
        while self._waiters:
            # One turn of the loop later, requests that have already arrived share the reading: on a busy service twice as many.
            await asyncio.sleep(0)
            batch, self._waiters = self._waiters, []
            # Requests for one interval bring the same object.
            distinct = {id(waiter.requirements): waiter.requirements for waiter in batch}
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self._refresh(distinct.values(), batch[-1].now)
            except (StoreUnavailableError, TimeoutError) as error:
                late = isinstance(error, TimeoutError)
                # After a restart Redis may have lost its last commits, with revisions that are cached here.
                (self._doubt if late else self._clear)()
                # Requests that joined in the meantime have waited too, and would have to wait as long again.
                batch, self._waiters = batch + self._waiters, []
                _settle(batch, late_error("Redis did not answer in time") if late else error)
            except BaseException as error:
                self._clear()
                _settle(batch, error)
                raise
            else:
                _settle(batch, None)


def _settle(waiters: Iterable[_Waiter], error: BaseException | None) -> None:
    for future, _, _ in waiters:
        if future.done():
            continue  # the request was cancelled
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
