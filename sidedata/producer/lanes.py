"""The queues of a sender: an entry for each event, a lane for each partition."""

import asyncio
from collections import deque


class Entry:
    """One event on its way; `number` counts the events of a sender in the order of arrival."""

    __slots__ = ("awaited", "future", "number", "partition", "raw")

    def __init__(self, number: int, partition: int, raw: bytes, *, awaited: bool) -> None:
        self.number = number
        self.partition = partition
        self.raw = raw
        self.awaited = awaited  # a caller waits for `future`, so it learns of a failure there
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Lane:
    """Entries for one partition; those with a number up to `hurry` do not linger."""

    def __init__(self, hurry: int) -> None:
        self.hurry = hurry
        self.waiting: deque[Entry] = deque()
        self.batch: list[Entry] = []  # on its way to Redis
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def oldest(self) -> int:
        """Number of the first entry that is not done."""
        return (self.batch or self.waiting)[0].number
