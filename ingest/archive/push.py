"""Sending an archive to the ingest streams, as it was recorded, at the workers' pace."""

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from sidedata.errors import StopError, StoreUnavailableError
from sidedata.ingest.archive.lines import Line
from sidedata.producer.errors import DeliveryFailed
from sidedata.producer.limits import Limits
from sidedata.producer.sender import Sender
from sidedata.redis.gateway import Gateway
from sidedata.settings import Settings

_ATTEMPTS = 10
_BREATH_LINES = 500
_BREATH_SECONDS = 0.001
FAULTS_SHOWN = 20


class Sent(Struct):
    """The result of a push; `faults` holds the first unreadable lines."""

    events: int = 0
    unreadable: int = 0
    faults: list[Line] = field(default_factory=list)


async def push(
    gateway: Gateway,
    settings: Settings,
    lines: Iterable[Line],
    sent: Sent,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Send all readable lines, counting in `sent` as it goes; a full backlog is waited for.

    Lines go as they are, none is given an id. A batch whose connection broke is sent again: events with ids count once,
    those without may count twice.

    Raises:
        StoreUnavailableError: Redis stayed out of reach.
        StopError: Redis refused for good.
        ArchiveError: the file can't be read on; what came before has been sent.
    """
    limits = Limits(backlog_limit=settings.backlog_limit, wait_replicas=settings.wait_replicas, attempts=_ATTEMPTS)
    sender = Sender(gateway, limits)
    try:
        for place, line in enumerate(lines):
            if line.fault is not None:
                sent.unreadable += 1
                if len(sent.faults) < FAULTS_SHOWN:
                    sent.faults.append(line)
                continue
            await sender.room(len(line.raw))
            if sender.failure is not None:
                break  # the rest of the file would fail like it
            sender.put_nowait(line.raw, line.partition)
            if place % _BREATH_LINES == 0:
                await asyncio.sleep(_BREATH_SECONDS)  # reading holds the loop up, and batches go in between
                sent.events = sender.sent
                progress()
    finally:
        try:
            await sender.close(None if sender.failure is None else 0)
        except DeliveryFailed as error:
            failure = StopError if isinstance(sender.failure, StopError) else StoreUnavailableError
            raise failure(str(error)) from error
        finally:
            sent.events = sender.sent
            progress()
