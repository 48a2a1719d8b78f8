"""Sending the events of simulated visitors: their history as fast as Redis takes it, then theirs of now, as time goes by."""

import asyncio
import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sidedata.clock import Clock
from sidedata.errors import StoreUnavailableError
from sidedata.ingest.demo.visitors import Site, Visitors
from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.schema.installation import Installation

_log = logging.getLogger("sidedata.traffic")

HISTORY_EVENTS = 60_000
ENTRY_EVENTS = 500
_ENTRIES_AT_ONCE = 8
_DAY_SECONDS = 86_400
_TICK_SECONDS = 0.2  # live events come in small groups, five times a second
_RETRY_SECONDS = 0.5


async def send_traffic(  # noqa: PLR0913 - what a person may choose of a demonstration
    client: Client,
    installation: Installation,
    *,
    organization: str,
    pages: str,
    interactions: str,
    zone: str,
    days: int,
    rate: float,
    clock: Clock,
    stop: asyncio.Event,
    seed: int,
) -> None:
    """Send the visitors' last `days` days, then about `rate` events a second, until `stop` is set.

    Every call sends events with ids of their own, so one after another add up. While Redis is out of reach it waits.

    Args:
        organization: like `pages` and `interactions`, its workflows, in lower case.

    Raises:
        StopError: Redis refuses for good.
        UsageError: there is no such zone.
    """
    sender = _Sender(client, keys.events(installation.partition_of(organization)), clock, stop)
    visitors = Visitors(Site(organization, pages, interactions), zone, seed=seed, run=secrets.token_hex(4))
    began = clock.now()
    # The rate of a week of `HISTORY_EVENTS`; a longer history is thinner instead of slower to send.
    average = HISTORY_EVENTS / (max(days, 7) * _DAY_SECONDS)
    entries = _entries(raw for _, raw in visitors.history(began - days * _DAY_SECONDS, began, average))
    while not stop.is_set() and (group := list(islice(entries, _ENTRIES_AT_ONCE))):
        await sender.send(group)
    live = visitors.steady(began, rate)
    at, raw = next(live)
    while not stop.is_set():
        now = clock.now()
        due: list[bytes] = []
        while at <= now and len(due) < ENTRY_EVENTS:
            due.append(raw)
            at, raw = next(live)
        await sender.send(list(_entries(due)))
        if len(due) < ENTRY_EVENTS:  # else there may be more to catch up with
            await clock.sleep(_TICK_SECONDS)


def _entries(raws: Iterable[bytes]) -> Iterator[bytes]:
    """JSON arrays of `ENTRY_EVENTS` events each."""
    rest = iter(raws)
    while batch := list(islice(rest, ENTRY_EVENTS)):
        yield b"[" + b",".join(batch) + b"]"


class _Sender:
    def __init__(self, client: Client, stream: str, clock: Clock, stop: asyncio.Event) -> None:
        self._client = client
        self._stream = stream
        self._clock = clock
        self._stop = stop

    async def send(self, entries: Sequence[bytes]) -> None:
        """Put entries into the stream, again and again until Redis took them all; their events have ids."""
        if not entries:
            return
        failed = False
        while not (failed and self._stop.is_set()):
            try:
                with translated():
                    pipe = self._client.pipeline(transaction=False)
                    for entry in entries:
                        pipe.xadd(self._stream, {"events": entry})
                    await pipe.execute()
            except StoreUnavailableError as error:
                if not failed:
                    _log.warning("%s; trying again", error)
                failed = True
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return
