"""Simulated visitors are believable, repeatable and decodable, and all of them get into the stream."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from sidedata.calendar.zones import zone
from sidedata.events.decode import PURCHASE_GOAL, Event, decode_event
from sidedata.ingest.demo.visitors import Site, Visitors
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP

ZONE = "Europe/Helsinki"
DAY_US = 86_400_000_000
HOUR, WEEK = 3600, 7 * 86_400
# A Monday's midnight in the zone: four whole local weeks, over the end of daylight saving.
START = datetime(2026, 10, 5, tzinfo=ZoneInfo(ZONE))
END = datetime(2026, 11, 2, tzinfo=ZoneInfo(ZONE))
NOW = END.timestamp()
PER_SECOND = 0.05


def simulation(seed: int = 1, run: str = "run") -> Visitors:
    """Visitors of the tests' organization."""
    return Visitors(Site(ORG, PAGES, POPUP), zone(ZONE), seed=seed, run=run)


def history(source: Visitors) -> Iterator[tuple[float, bytes]]:
    """Their four weeks."""
    return takewhile(lambda event: event[0] < NOW, source.events(START.timestamp(), NOW, PER_SECOND, PER_SECOND))


def live(source: Visitors, per_second: float = 25) -> Iterator[tuple[float, bytes]]:
    """Their events from then on, without a history."""
    return source.events(NOW, NOW, per_second, per_second)


@lru_cache(maxsize=1)
def decoded() -> list[Event]:
    """The four weeks as the worker reads them."""
    events = [decode_event(raw, ORG) for _, raw in history(simulation())]
    faults = [event for event in events if not isinstance(event, Event)]
    assert not faults
    return [event for event in events if isinstance(event, Event)]


def local_times() -> list[datetime]:
    """When the four weeks' events were, by the wall clock."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [(epoch + timedelta(microseconds=event.at_us)).astimezone(ZoneInfo(ZONE)) for event in decoded()]


def test_the_same_seed_and_run_make_the_same_events() -> None:
    """The same bytes, history or not; another seed makes others."""

    def some(source: Visitors) -> list[tuple[float, bytes]]:
        return [*islice(history(source), 500), *islice(live(source), 500)]

    assert some(simulation()) == some(simulation())
    assert [at for at, _ in some(simulation())] != [at for at, _ in some(simulation(seed=2))]


def test_another_run_has_the_same_visitors_and_other_ids() -> None:
    """A demonstration started again sends new events and sessions, of regular visitors that were there before."""
    one, other = ([json.loads(raw) for _, raw in history(simulation(run=run))] for run in ("one", "other"))
    for field in ("id", "session_id"):
        assert not {event[field] for event in one} & {event[field] for event in other}
    assert {event["visitor_id"] for event in one} & {event["visitor_id"] for event in other}


def test_every_id_is_there_once() -> None:
    """Events of one run, history and present, have an id each."""
    source = simulation()
    events = source.events(START.timestamp(), NOW, PER_SECOND, 25)
    raws = [raw for _, raw in islice(events, int((NOW - START.timestamp()) * PER_SECOND) + 2000)]
    ids = {json.loads(raw)["id"] for raw in raws}
    assert len(ids) == len(raws)


def test_events_come_in_order_of_time_within_their_range() -> None:
    """Times never go back, and `start <= time < end`; the timestamps say the same."""
    at = [event.at_us for event in decoded()]
    assert at == sorted(at)
    assert START.timestamp() * 1e6 <= at[0]
    assert at[-1] < NOW * 1e6
    assert all(one <= next_ for (one, _), (next_, _) in pairwise(islice(live(simulation()), 2000)))


def test_there_are_about_as_many_events_as_asked_for() -> None:
    """Within a tenth: a history over whole weeks, and a live week without one."""
    assert len(decoded()) == pytest.approx((NOW - START.timestamp()) * PER_SECOND, rel=0.1)
    week = takewhile(lambda event: event[0] < NOW + WEEK, live(simulation(), PER_SECOND))
    assert sum(1 for _ in week) == pytest.approx(WEEK * PER_SECOND, rel=0.1)


def test_live_traffic_begins_in_full() -> None:
    """Sessions are under way from the first minute: it has as many events as the tenth, of the same quiet hour."""
    minutes = Counter(
        int(at - NOW) // 60 for at, _ in takewhile(lambda event: event[0] < NOW + 600, live(simulation()))
    )
    assert minutes[0] == pytest.approx(sum(minutes.values()) / 10, rel=0.25)


def test_live_traffic_goes_on_in_the_rhythm_of_the_history() -> None:
    """Each six hours of the week after now have as many events as the same ones of the week before, within a quarter."""
    past, future = Counter[int](), Counter[int]()
    for at, _ in simulation().events(NOW - WEEK, NOW, 4 * PER_SECOND, 4 * PER_SECOND):
        if at >= NOW + WEEK:
            break
        (past if at < NOW else future)[int(at - NOW) % WEEK // 21_600] += 1
    assert len(past) == len(future) == 28
    for position, count in past.items():
        assert future[position] == pytest.approx(count, rel=0.25), position
    assert max(future.values()) > 3 * min(future.values())


def test_the_hour_of_now_is_like_its_neighbours() -> None:
    """No edge at now, whatever the hour: its events are between a half and twice those of the hours beside it."""
    for now in (NOW + 9 * HOUR + 1234, NOW + 12 * HOUR + 1800, NOW + 20 * HOUR + 99):
        hours = Counter[int]()
        for at, _ in simulation().events(now - 2 * HOUR, now, 4 * PER_SECOND, 4 * PER_SECOND):
            if at >= now + 2 * HOUR:
                break
            hours[int(at // HOUR)] += 1
        current = hours[int(now // HOUR)]
        for neighbour in (int(now // HOUR) - 1, int(now // HOUR) + 1):
            assert hours[neighbour] / 2 < current < hours[neighbour] * 2


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
