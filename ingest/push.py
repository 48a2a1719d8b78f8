"""Sending an archive to the ingest streams, partition by partition, at the workers' pace."""

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from ingest.archive import Line
from store.append import BacklogFullError, append
from store.client import Client
from store.errors import StoreUnavailableError
from store.settings import Settings

_BATCH_EVENTS = 500
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.5
FAULTS_SHOWN = 20


class Sent(Struct):
    """What a push came to; `faults` holds the first lines that could not be read."""

    events: int = 0
    unreadable: int = 0
    faults: list[Line] = field(default_factory=list)


async def push(
    client: Client, settings: Settings, lines: Iterable[Line], sent: Sent, progress: Callable[[], None] = lambda: None
) -> None:
    """Send all readable lines, counting in `sent` as it goes; a full backlog is waited for.

    A batch whose connection broke is sent again: events with ids count once, those without may count twice.

    Raises:
        StoreUnavailableError: Redis stayed out of reach.
        ArchiveError: the file can't be read on; what came before has been sent.
    """
    batches: dict[int, list[bytes]] = {}
    try:
        for line in lines:
            if line.fault is not None:
                sent.unreadable += 1
                if len(sent.faults) < FAULTS_SHOWN:
                    sent.faults.append(line)
                continue
            batch = batches.setdefault(line.partition, [])
            batch.append(line.raw)
            if len(batch) >= _BATCH_EVENTS:
                await _send(client, settings, line.partition, batches.pop(line.partition), sent)
                progress()
    finally:
        for partition, batch in batches.items():
            await _send(client, settings, partition, batch, sent)
        progress()


async def _send(client: Client, settings: Settings, partition: int, batch: list[bytes], sent: Sent) -> None:
    attempt = 1
    while True:
        try:
            await append(client, partition, batch, settings.backlog_limit, settings.wait_replicas)
        except BacklogFullError:
            await asyncio.sleep(_PAUSE_SECONDS)
        except StoreUnavailableError:
            if attempt == _ATTEMPTS:
                raise
            attempt += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            sent.events += len(batch)
            return
