"""Simulated visitors get into the stream: their history first, then the present, sent again where it may be lost."""

import asyncio
import json
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from sidedata.calendar.zones import Zone
from sidedata.errors import StopError, UsageError
from sidedata.ingest.demo import traffic
from sidedata.ingest.demo.traffic import ENTRY_EVENTS, HISTORY_EVENTS, send_traffic
from sidedata.ingest.demo.visitors import Site, Visitors
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from tests.support.clock import ManualClock
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP
from tests.support.redis.client import Client, LossyGateway

ZONE = "Europe/Helsinki"
NOW = datetime(2026, 11, 2, tzinfo=ZoneInfo(ZONE)).timestamp()
INSTALLATION = Installation(16)
STREAM = keys.keyspace(INSTALLATION.partition_of(ORG)).events


class StoppingClock(ManualClock):
    """A clock that sets `stop` when it is moved to a time."""

    def __init__(self, now: float, end: float, stop: asyncio.Event) -> None:
        super().__init__(now)
        self._end = end
        self._stop = stop

    async def sleep(self, seconds: float) -> None:
        """Move on, and perhaps stop."""
        await super().sleep(seconds)
        if self.now() >= self._end:
            self._stop.set()


async def send(
    client: Client, *, days: int, seconds: float, rate: float | None = 25, zone: str = ZONE, now: float = NOW
) -> list[int]:
    """Send traffic that starts `now` and is stopped that number of seconds later; the reported sizes of its history."""
    stop = asyncio.Event()
    histories: list[int] = []
    await send_traffic(
        client,
        INSTALLATION,
        organization=ORG,
        pages=PAGES,
        interactions=POPUP,
        zone=zone,
        days=days,
        rate=rate,
        clock=StoppingClock(now, now + seconds, stop),
        stop=stop,
        seed=1,
        history_sent=histories.append,
    )
    return histories


async def sent(client: Client) -> list[list[dict[str, Any]]]:
    """The entries of the stream, decoded."""
    rows = await client.xrange(STREAM)
    assert all(list(fields) == [b"events"] for _, fields in rows)
    return [json.loads(fields[b"events"]) for _, fields in rows]


async def test_history_comes_first_and_then_the_present(client: Client) -> None:
    """A week in about 150,000 events up to now, then live ones, none ahead of its time; entries of 500 at the most."""
    reported = await send(client, days=7, seconds=20)
    entries = await sent(client)
    assert max(map(len, entries)) <= ENTRY_EVENTS
    at = [datetime.fromisoformat(event["timestamp"]).timestamp() for entry in entries for event in entry]
    assert at == sorted(at)
    assert at[0] >= NOW - 7 * 86_400
    assert at[-1] <= NOW + 20
    past = sum(moment < NOW for moment in at)
    assert past == pytest.approx(HISTORY_EVENTS, rel=0.1)
    assert reported == [past]
    assert 20 < len(at) - past < 20 * 25  # at night


async def test_without_days_there_is_no_history(client: Client) -> None:
    """Only what happens from now on is sent."""
    await send(client, days=0, seconds=5)
    at = [datetime.fromisoformat(event["timestamp"]).timestamp() for entry in await sent(client) for event in entry]
    assert min(at) >= NOW - 0.001


async def test_live_traffic_has_the_rate_of_the_history(client: Client) -> None:
    """Unless another is given: three hours after now have about as many events as the same hours of the day before."""
    await send(client, days=2, seconds=3 * 3600, rate=None)
    at = [datetime.fromisoformat(event["timestamp"]).timestamp() for entry in await sent(client) for event in entry]
    live = sum(moment >= NOW for moment in at)
    yesterday = sum(NOW - 86_400 <= moment < NOW - 86_400 + 3 * 3600 for moment in at)
    assert yesterday / 2 < live < 2 * yesterday


async def test_a_history_goes_on_where_an_earlier_one_ended(client: Client) -> None:
    """A demonstration that is started again fills the hours since, and does not make the week before twice as busy."""
    space = INSTALLATION.keyspace_of(ORG)
    newest = NOW - 3600
    await client.zadd(space.workflows(ORG), {PAGES: newest * 1_000_000})
    await send(client, days=7, seconds=1)
    at = [datetime.fromisoformat(event["timestamp"]).timestamp() for entry in await sent(client) for event in entry]
    assert newest - 0.001 <= at[0] < newest + 900


async def test_high_rates_keep_to_the_size_of_entries(client: Client) -> None:
    """More than an entry's worth in one tick becomes more entries."""
    await send(client, days=0, seconds=2, rate=60_000)
    sizes = [len(entry) for entry in await sent(client)]
    assert max(sizes) == ENTRY_EVENTS
    assert sum(sizes) > 5_000


async def test_what_may_be_lost_is_sent_again_with_its_ids(client: Client) -> None:
    """After broken connections the same entries come again, and none is missing."""
    losing = LossyGateway(client, 2)
    await send(cast("Client", losing), days=1, seconds=5)
    assert losing.losses == 0
    entries = await sent(client)
    assert entries[:8] == entries[8:16] == entries[16:24]
    numbers = {int(event["id"].rsplit("-", 1)[1]) for entry in entries for event in entry}
    assert numbers == set(range(1, len(numbers) + 1))


async def test_it_stops_while_redis_is_out_of_reach(client: Client) -> None:
    """A stop is heeded between two attempts."""
    await send(cast("Client", LossyGateway(client, 1_000_000)), days=1, seconds=3)


async def test_a_refusal_ends_it(client: Client) -> None:
    """A permanent refusal is not retried."""
    await client.set(STREAM, "no stream")
    with pytest.raises(StopError):
        await send(client, days=1, seconds=3)


async def test_an_unknown_zone_is_refused(client: Client) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError):
        await send(client, days=1, seconds=3, zone="Europe/Atlantis")
    assert not await client.exists(STREAM)


async def test_days_and_nights_are_those_of_the_stored_rules(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Visitors in the organization's zone live by its table, whatever this machine's zone data say."""
    table = f"2026f {ZONE}; 2026-10-01 -09; 2027-01-01"
    record = keys.keyspace(INSTALLATION.partition_of(ORG)).organization(ORG)
    await client.hset(record, mapping={"timezone": ZONE, "rules": table})
    zones: list[Zone] = []

    def made(site: Site, zone: Zone, **arguments: Any) -> Visitors:  # noqa: ANN401 - the visitors' own
        zones.append(zone)
        return Visitors(site, zone, **arguments)

    monkeypatch.setattr(traffic, "Visitors", made)
    await send(client, days=0, seconds=2)
    await send(client, days=0, seconds=2, zone="Asia/Tokyo")
    assert [zone.offset(int(NOW)) // 3600 for zone in zones] == [-9, 9]
