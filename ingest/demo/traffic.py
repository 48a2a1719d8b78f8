"""The sending of simulated events: a history at once, then live events as time passes, in the same rhythm of days."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

from sidedata.batched import batched
from sidedata.calendar.reporting import reporting_zone
from sidedata.calendar.zones import DAY_SECONDS
from sidedata.clock import Clock
from sidedata.errors import StoreUnavailableError
from sidedata.events.json_array import join_array
from sidedata.ingest.demo.visitors import Site, Visitors
from sidedata.reads.workflow_list import read_states
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace
from sidedata.writes.append import append_entries

_log = logging.getLogger("sidedata.traffic")

HISTORY_EVENTS = 150_000
ENTRY_EVENTS = 500
_ENTRIES_AT_ONCE = 8
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
    rate: float | None,
    clock: Clock,
    stop: asyncio.Event,
    seed: int,
    history_sent: Callable[[int], None] | None = None,
) -> None:
    """Send the events of the last `days` days, then about `rate` events a second, until `stop` is set.

    A history that an earlier call has begun goes on where its newest event was. While Redis is out of reach it waits.

    Args:
        organization: an id in lower case, like those of its workflows, `pages` and `interactions`.
        rate: on average over a week; None for that of the history.
        history_sent: called with the number of events in the history, once all of them are in the stream.

    Raises:
        StopError: Redis refuses for good.
        UsageError: there is no such zone.
    """
    keyspace = installation.keyspace_of(organization)
    rules, newest = await _read(gateway, installation, organization, pages, required=days > 0)
    # By the organization's own table, if the visitors live in its zone.
    local = reporting_zone(zone, rules)
    sender = _Sender(gateway, keyspace, clock, stop)
    visitors = Visitors(Site(organization, pages, interactions), local, seed=seed, run=secrets.token_hex(4))
    now = clock.now()
    # The rate of a week with that number of events; longer histories are sparser, so that sending them takes no longer.
    average = HISTORY_EVENTS / (max(days, 7) * DAY_SECONDS)
    live = average if rate is None else rate
    start = now - days * DAY_SECONDS
    if days:
        start = max(start, newest)
    events = visitors.events(start, now, average if start < now else live, live)
    at, raw = next(events)
    past: list[bytes] = []
    sent = 0
    while not stop.is_set():
        while at < now and len(past) < ENTRY_EVENTS * _ENTRIES_AT_ONCE:
            past.append(raw)
            at, raw = next(events)
        if not past:
            break
        await sender.send(list(_entries(past)))
        sent += len(past)
        past.clear()
    if history_sent is not None:
        history_sent(sent)
    while not stop.is_set():
        now = clock.now()
        due: list[bytes] = []
        while at <= now and len(due) < ENTRY_EVENTS:
            due.append(raw)
            at, raw = next(events)
        await sender.send(list(_entries(due)))
        if len(due) < ENTRY_EVENTS:  # otherwise more events may be due
            await clock.sleep(_TICK_SECONDS)


async def _read(
    gateway: Gateway, installation: Installation, organization: str, workflow: str, *, required: bool
) -> tuple[str | None, float]:
    """The organization's stored rules, and the time of a workflow's newest event; before all times where there is none."""
    try:
        states = await read_states(gateway, installation, organization, [workflow])
    except StoreUnavailableError:
        if required:  # a history must not begin again; live events go on by this machine's rules
            raise
        return None, float("-inf")
    [state] = states.workflows
    return states.rules, float("-inf") if state.last_event_us is None else state.last_event_us / 1_000_000


def _entries(raws: Iterable[bytes]) -> Iterator[bytes]:
    """Pack events into JSON arrays of at most `ENTRY_EVENTS` each."""
    return map(join_array, batched(raws, ENTRY_EVENTS))


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
