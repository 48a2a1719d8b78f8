"""Simulated visitors are believable, repeatable and decodable, and all of them get into the stream."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from ingest.traffic import ENTRY_EVENTS, HISTORY_EVENTS, send_traffic
from ingest.visitors import Site, Visitors
from store import keys
from store.client import Client
from store.clock import ManualClock
from store.errors import StopError, UsageError
from store.events import PURCHASE_GOAL, Event, decode_event
from store.installation import Installation
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP

ZONE = "Europe/Helsinki"
DAY_US = 86_400_000_000
# A Monday's midnight in the zone: four whole local weeks, over the end of daylight saving.
START = datetime(2026, 10, 5, tzinfo=ZoneInfo(ZONE))
END = datetime(2026, 11, 2, tzinfo=ZoneInfo(ZONE))
NOW = END.timestamp()
PER_SECOND = 0.05
INSTALLATION = Installation(16)
STREAM = keys.events(INSTALLATION.partition_of(ORG))


def visitors(seed: int = 1, run: str = "run") -> Visitors:
    """Visitors of the tests' organization."""
    return Visitors(Site(ORG, PAGES, POPUP), ZONE, seed=seed, run=run)


def history(source: Visitors) -> Iterator[tuple[float, bytes]]:
    """Their four weeks."""
    return source.history(START.timestamp(), NOW, PER_SECOND)


@lru_cache(maxsize=1)
def decoded() -> list[Event]:
    """The four weeks as the worker reads them."""
    events = [decode_event(raw, ORG) for _, raw in history(visitors())]
    faults = [event for event in events if not isinstance(event, Event)]
    assert not faults
    return [event for event in events if isinstance(event, Event)]


def local_times() -> list[datetime]:
    """When the four weeks' events were, by the wall clock."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [(epoch + timedelta(microseconds=event.at_us)).astimezone(ZoneInfo(ZONE)) for event in decoded()]


# --- the simulation ------------------------------------------------------------------------------------------------------


def test_the_same_seed_and_run_make_the_same_events() -> None:
    """History and what follows it are the same bytes; another seed makes others."""

    def some(source: Visitors) -> list[tuple[float, bytes]]:
        return [*islice(history(source), 500), *islice(source.steady(NOW, 25), 500)]

    assert some(visitors()) == some(visitors())
    assert [at for at, _ in some(visitors())] != [at for at, _ in some(visitors(seed=2))]


def test_another_run_has_the_same_visitors_and_other_ids() -> None:
    """A demonstration started again sends new events and sessions, of regular visitors that were there before."""
    one, other = ([json.loads(raw) for _, raw in history(visitors(run=run))] for run in ("one", "other"))
    for field in ("id", "session_id"):
        assert not {event[field] for event in one} & {event[field] for event in other}
    assert {event["visitor_id"] for event in one} & {event["visitor_id"] for event in other}


def test_every_id_is_there_once() -> None:
    """Events of one run, history and present, have an id each."""
    source = visitors()
    raws = [raw for _, raw in (*history(source), *islice(source.steady(NOW, 25), 2000))]
    ids = {json.loads(raw)["id"] for raw in raws}
    assert len(ids) == len(raws)


def test_events_come_in_order_of_time_within_their_range() -> None:
    """Times never go back, and `start <= time < end`; the timestamps say the same."""
    at = [event.at_us for event in decoded()]
    assert at == sorted(at)
    assert START.timestamp() * 1e6 <= at[0]
    assert at[-1] < NOW * 1e6
    assert all(one <= next_ for (one, _), (next_, _) in pairwise(islice(visitors().steady(NOW, 25), 2000)))


def test_there_are_about_as_many_events_as_asked_for() -> None:
    """Within a tenth, over whole weeks and from the first minute of live traffic."""
    assert len(decoded()) == pytest.approx((NOW - START.timestamp()) * PER_SECOND, rel=0.1)
    live = takewhile(lambda event: event[0] < NOW + 600, visitors().steady(NOW, 25))
    minutes = Counter(int(at - NOW) // 60 for at, _ in live)
    assert sum(minutes.values()) == pytest.approx(600 * 25, rel=0.1)
    assert minutes[0] == pytest.approx(60 * 25, rel=0.25)


def test_days_have_a_rhythm() -> None:
    """Every hour has visitors; nights are quiet, lunch is a dip, the evening of a weekday the peak."""
    hours = Counter(at.hour for at in local_times() if at.isoweekday() <= 5)
    assert set(hours) == set(range(24))
    assert sum(hours[hour] for hour in range(2, 5)) * 5 < sum(hours[hour] for hour in range(9, 12))
    assert hours[12] < min(hours[10], hours[14])
    assert max(hours, key=hours.__getitem__) in (19, 20, 21)


def test_weekends_differ() -> None:
    """They begin later, and their peak is not in the evening."""
    weekday, weekend = (
        Counter(at.hour for at in local_times() if (at.isoweekday() > 5) == late) for late in (False, True)
    )
    assert weekend[7] / weekend.total() < weekday[7] / weekday.total() * 0.75
    assert weekend[20] / weekend.total() < weekday[20] / weekday.total()


def test_visitors_return_and_some_much_more_often() -> None:
    """Many come in more than one session, the busiest hundredth for far more than their share; strangers come too."""
    sessions = Counter(visitor for visitor, _ in {(event.visitor_id, event.session_id) for event in decoded()})
    often = sorted(sessions.values(), reverse=True)
    assert sum(count > 1 for count in often) > len(often) / 4
    assert sum(often[: len(often) // 100]) > 0.05 * sum(often)
    assert sum(count == 1 for count in often) > len(often) / 4


def test_sessions_have_several_page_views() -> None:
    """Three to four and a half on average."""
    views = [event.session_id for event in decoded() if event.type == "page_view"]
    assert 3 < len(views) / len(set(views)) < 4.5


def test_interactions_follow_starts_and_goals_follow_interactions() -> None:
    """Fewer of each, and in that order within a session."""
    counts = Counter(event.type for event in decoded())
    assert counts["workflow_started"] > counts["interaction"] > counts["goal_triggered"] > 0
    seen: set[tuple[str, str]] = set()
    before = {"interaction": "workflow_started", "goal_triggered": "interaction"}
    for event in decoded():
        seen.add((event.session_id, event.type))
        if event.type in before:
            assert (event.session_id, before[event.type]) in seen


def test_most_outer_goals_follow_an_interaction_within_a_day() -> None:
    """More than half of them do, and some don't."""
    interacted: dict[str, int] = {}
    follows: Counter[bool] = Counter()
    for event in decoded():
        if event.type == "interaction":
            interacted[event.visitor_id] = event.at_us
        elif event.type == "goal_reached":
            follows[event.at_us - interacted.get(event.visitor_id, -DAY_US) <= DAY_US] += 1
    assert follows[True] > follows[False] > 0
    names = {event.goal_name for event in decoded() if event.type == "goal_reached"}
    assert names == {"Cart filled", "Checkout started", PURCHASE_GOAL}


def test_purchases_are_in_three_currencies() -> None:
    """Whole cents, one currency a visitor, and on purchases alone."""
    purchases = [event for event in decoded() if event.units is not None]
    assert {event.currency for event in purchases} == {"EUR", "USD", "GBP"}
    assert all(event.goal_name == PURCHASE_GOAL for event in purchases)
    assert all(event.units is not None and event.units % 100 == 0 and event.units > 0 for event in purchases)
    assert len({(event.visitor_id, event.currency) for event in purchases}) == len(
        {event.visitor_id for event in purchases}
    )


# --- the sending ---------------------------------------------------------------------------------------------------------


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


async def send(client: Client, *, days: int, seconds: float, rate: float = 25, zone: str = ZONE) -> None:
    """Send traffic that starts `NOW` and is stopped so many seconds later."""
    stop = asyncio.Event()
    await send_traffic(
        client,
        INSTALLATION,
        organization=ORG,
        pages=PAGES,
        interactions=POPUP,
        zone=zone,
        days=days,
        rate=rate,
        clock=StoppingClock(NOW, NOW + seconds, stop),
        stop=stop,
        seed=1,
    )


async def sent(client: Client) -> list[list[dict[str, Any]]]:
    """What is in the stream, entry by entry."""
    rows = await client.xrange(STREAM)
    assert all(list(fields) == [b"events"] for _, fields in rows)
    return [json.loads(fields[b"events"]) for _, fields in rows]


class LossyClient:
    """Redis takes what it is sent, then the connection breaks: as often as `losses` says."""

    def __init__(self, client: Client, losses: int, error: Exception) -> None:
        self._client = client
        self.losses = losses
        self._error = error

    def pipeline(self, *, transaction: bool) -> Client:
        """A pipeline that may lose its reply."""
        pipe = self._client.pipeline(transaction=transaction)
        execute = pipe.execute

        async def lossy() -> list[Any]:
            replies: list[Any] = await execute()
            if self.losses:
                self.losses -= 1
                raise self._error
            return replies

        pipe.execute = lossy
        return pipe


async def test_history_comes_first_and_then_the_present(client: Client) -> None:
    """A week in about 60,000 events up to now, then live ones, none ahead of its time; entries of 500 at the most."""
    await send(client, days=7, seconds=20)
    entries = await sent(client)
    assert max(map(len, entries)) <= ENTRY_EVENTS
    at = [datetime.fromisoformat(event["timestamp"]).timestamp() for entry in entries for event in entry]
    assert at == sorted(at)
    assert at[0] >= NOW - 7 * 86_400
    assert at[-1] <= NOW + 20
    past = sum(moment < NOW for moment in at)
    assert past == pytest.approx(HISTORY_EVENTS, rel=0.1)
    assert len(at) - past == pytest.approx(20 * 25, rel=0.4)


async def test_without_days_there_is_no_history(client: Client) -> None:
    """Only what happens from now on is sent."""
    await send(client, days=0, seconds=5)
    at = [datetime.fromisoformat(event["timestamp"]).timestamp() for entry in await sent(client) for event in entry]
    assert min(at) >= NOW - 0.001


async def test_high_rates_keep_to_the_size_of_entries(client: Client) -> None:
    """More than an entry's worth in one tick becomes more entries."""
    await send(client, days=0, seconds=2, rate=20_000)
    sizes = [len(entry) for entry in await sent(client)]
    assert max(sizes) == ENTRY_EVENTS
    assert sum(sizes) > 5_000


async def test_what_may_be_lost_is_sent_again_with_its_ids(client: Client) -> None:
    """After broken connections the same entries come again, and none is missing."""
    lossy = LossyClient(client, 2, RedisConnectionError("gone"))
    await send(lossy, days=1, seconds=5)
    assert lossy.losses == 0
    entries = await sent(client)
    assert entries[:8] == entries[8:16] == entries[16:24]
    numbers = {int(event["id"].rsplit("-", 1)[1]) for entry in entries for event in entry}
    assert numbers == set(range(1, len(numbers) + 1))


async def test_it_stops_while_redis_is_out_of_reach(client: Client) -> None:
    """A stop is heeded between two attempts."""
    await send(LossyClient(client, 1_000_000, RedisConnectionError("gone")), days=1, seconds=3)


async def test_a_refusal_ends_it(client: Client) -> None:
    """What trying again can't mend is not tried again."""
    await client.set(STREAM, "no stream")
    with pytest.raises(StopError):
        await send(client, days=1, seconds=3)


async def test_an_unknown_zone_is_refused(client: Client) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError):
        await send(client, days=1, seconds=3, zone="Europe/Atlantis")
    assert not await client.exists(STREAM)
