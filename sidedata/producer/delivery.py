"""The delivery of a batch: appends it to a stream, again and again until Redis has it or the attempts are used up."""

import asyncio
import random
from typing import Final

from sidedata.errors import StoreUnavailableError
from sidedata.producer.limits import Limits
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import keyspace
from sidedata.writes.append import BacklogFullError, append, append_plainly

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
_BACKLOG_PAUSE_SECONDS: Final = 0.5
_SENDS_AT_ONCE: Final = 16


class Delivery:
    """Sends batches to the streams, with retries; `gateway` stays the caller's to close.

    Attributes:
        trouble: the reason of the last failed attempt, "" once an attempt has succeeded.
    """

    def __init__(self, gateway: Gateway, limits: Limits) -> None:
        self.trouble = ""
        self._gateway = gateway
        self._limits = limits
        self._sends = asyncio.Semaphore(_SENDS_AT_ONCE)

    async def send(self, partition: int, batch: list[bytes]) -> None:
        """Append a batch to a partition's stream. A full backlog is waited for without end.

        Raises:
            StoreUnavailableError: each of the attempts has failed.
        """
        failed = 0
        while batch:
            try:
                async with self._sends:
                    await self._append(partition, batch)
            except BacklogFullError as error:
                self.trouble = str(error)
                pause = _BACKLOG_PAUSE_SECONDS
            except StoreUnavailableError as error:
                self.trouble = str(error)
                failed += 1
                if failed == self._limits.attempts:
                    raise
                pause = min(_FIRST_PAUSE_SECONDS * 2**failed, _LONGEST_PAUSE_SECONDS)
                pause *= random.uniform(0.5, 1)  # noqa: S311 - so that many producers do not return at once
            else:
                self.trouble = ""
                return
            await asyncio.sleep(pause)

    async def _append(self, partition: int, batch: list[bytes]) -> None:
        limits = self._limits
        if limits.backlog_limit is None:
            await append_plainly(self._gateway, keyspace(partition), batch)
        else:
            await append(self._gateway, keyspace(partition), batch, limits.backlog_limit, limits.wait_replicas)
