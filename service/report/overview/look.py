"""One look at the state of an organization's workflows, shared by all requests that wait for the same."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from sidedata.errors import late_error
from sidedata.reads.workflow_list import WorkflowStates

# Each answer is due within a second.
_TIMEOUT_SECONDS = 0.75

Read = Callable[[], Awaitable[WorkflowStates]]


class SharedLook:
    """Joins concurrent requests for a state."""

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[WorkflowStates]] = {}

    async def join(self, key: Hashable, read: Read) -> WorkflowStates:
        """Join the next look, never one that is already running.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, read))
            task.add_done_callback(_retrieve)
        # Shielded: the others wait for it too, if this request is cancelled.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, read: Read) -> WorkflowStates:
        # One turn of the loop later, requests that have already arrived share the look.
        await asyncio.sleep(0)
        del self._next[key]
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await read()
        except TimeoutError as error:
            raise late_error("Redis did not answer in time") from error


def _retrieve(task: asyncio.Task[WorkflowStates]) -> None:
    """Take the error of a look whose requests have all been cancelled, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
