"""The sending of simulated events: a history at once, then live events as time passes."""

import asyncio
import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sidedata.clock import Clock
from sidedata.errors import StoreUnavailableError
from sidedata.ingest.demo.visitors import Site, Visitors
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace
from sidedata.writes.append import append_entries

_log = logging.getLogger("sidedata.traffic")

HISTORY_EVENTS = 60_000
ENTRY_EVENTS = 500
_ENTRIES_AT_ONCE = 8
_DAY_SECONDS = 86_400
_TICK_SECONDS = 0.2  # live events come in small groups, five times a second
_RETRY_SECONDS = 0.5


async def send_traffic(  # noqa: PLR0913 - the options of a demonstration
    gateway: Gateway,
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
    """Send the events of the last `days` days, then about `rate` events a second, until `stop` is set.

    Every call generates new event ids, so the events of several calls add up. While Redis is out of reach it waits.

    Args:
        organization: an id in lower case, like those of its workflows, `pages` and `interactions`.

    Raises:
        StopError: Redis refuses for good.
        UsageError: there is no such zone.
    """
    sender = _Sender(gateway, installation.keyspace_of(organization), clock, stop)
    visitors = Visitors(Site(organization, pages, interactions), zone, seed=seed, run=secrets.token_hex(4))
    start = clock.now()
    # The rate of a week with that number of events; longer histories are sparser, so that sending them takes no longer.
    average = HISTORY_EVENTS / (max(days, 7) * _DAY_SECONDS)
    entries = _entries(raw for _, raw in visitors.history(start - days * _DAY_SECONDS, start, average))
    while not stop.is_set() and (group := list(islice(entries, _ENTRIES_AT_ONCE))):
        await sender.send(group)
    live = visitors.steady(start, rate)
    at, raw = next(live)
    while not stop.is_set():
        now = clock.now()
        due: list[bytes] = []
        while at <= now and len(due) < ENTRY_EVENTS:
            due.append(raw)
            at, raw = next(live)
        await sender.send(list(_entries(due)))
        if len(due) < ENTRY_EVENTS:  # otherwise more events may be due
            await clock.sleep(_TICK_SECONDS)


def _entries(raws: Iterable[bytes]) -> Iterator[bytes]:
    """Pack events into JSON arrays of at most `ENTRY_EVENTS` each."""
    rest = iter(raws)
    while batch := list(islice(rest, ENTRY_EVENTS)):
        yield b"[" + b",".join(batch) + b"]"


class _Sender:
    def __init__(self, gateway: Gateway, keyspace: Keyspace, clock: Clock, stop: asyncio.Event) -> None:
        self._gateway = gateway
        self._keyspace = keyspace
        self._clock = clock
        self._stop = stop

    async def send(self, entries: Sequence[bytes]) -> None:
        """Append entries to the stream, with retries until Redis has all of them; their events have ids, so they count once."""
        if not entries:
            return
        failed = False
        while not (failed and self._stop.is_set()):
            try:
                await append_entries(self._gateway, self._keyspace, entries)
            except StoreUnavailableError as error:
                if not failed:
                    _log.warning("%s; trying again", error)
                failed = True
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return
