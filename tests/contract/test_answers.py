"""Sections 2.4, 3, 4 and 5 of the contract by hand: goals, money, hours, days and rims, arithmetic beside them."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from store import keys
from tests.support.constants import KEEP_ALL, ORG, OTHER_ORG
from tests.support.events import (
    GOAL,
    GOAL_2,
    PAGES,
    POPUP,
    POPUP_2,
    PURCHASED,
    bought,
    interaction,
    reached,
    started,
    triggered,
    view,
)
from tests.support.pipeline import Pipeline, pipeline, rfc3339

NOON = datetime(2024, 6, 5, 12, tzinfo=UTC)
EVER = ("2024-01-01", "2024-12-31")
MS = timedelta(milliseconds=1)
MICRO = timedelta(microseconds=1)


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps buckets of all levels for a hundred years."""
    async with pipeline(redis_url, partitions=4, **KEEP_ALL) as opened:
        yield opened


@pytest_asyncio.fixture
async def plain(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation with the default retention."""
    async with pipeline(redis_url, partitions=4) as opened:
        yield opened


@pytest_asyncio.fixture
async def coarse(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps nothing but days of what is older than two days."""
    async with pipeline(redis_url, partitions=4, keep_fine_hours=1, keep_hour_days=1, keep_day_days=36_500) as opened:
        yield opened


async def affected(pipe: Pipeline, workflow: str = POPUP, interval: tuple[str, str] = EVER) -> dict[str, int]:
    """Affected goals with their number of events."""
    goals = (await pipe.ask(workflow, *interval)).json["affected_goals"]
    return {goal["uuid"]: goal["metrics"]["events_count"] for goal in goals}


def nonzero(pairs: list[list[int]]) -> dict[int, int]:
    """What is not 0 of `[[value, index], …]`."""
    return {index: value for value, index in pairs if value}


# --- affected goals ---

WINDOW = [
    (timedelta(0), True),
    (MICRO, True),
    (timedelta(hours=24) - MS, True),
    (timedelta(hours=24), True),
    (timedelta(hours=24) + MICRO, False),
    (timedelta(hours=24) + MS, False),
    (timedelta(hours=47), False),
    (-MICRO, False),
    (-MS, False),
]


@pytest.mark.parametrize("batches", ["together", "interaction first", "goal first"])
@pytest.mark.parametrize(("later", "counts"), WINDOW, ids=[str(later) for later, _ in WINDOW])
async def test_goal_window(pipe: Pipeline, later: timedelta, counts: bool, batches: str) -> None:  # noqa: FBT001
    """An interaction up to 24 hours before the goal, ends included, affects it, whichever of the two arrives first."""
    first, second = interaction(NOON), reached(NOON + later)
    if batches == "together":
        await pipe.apply([second, first])
    else:
        order = (first, second) if batches == "interaction first" else (second, first)
        for raw in order:
            await pipe.apply(raw)
    assert await affected(pipe) == ({GOAL: 1} if counts else {})


@pytest.mark.parametrize("batch_events", [1, 1000])
async def test_a_goal_counts_once_for_each_workflow(pipe: Pipeline, batch_events: int) -> None:
    """Four interactions with one workflow and one with another, before and after the goal: once for each of the two."""
    early = [interaction(NOON - timedelta(hours=h)) for h in (1, 2)]
    late = [
        interaction(NOON - timedelta(hours=3)),
        interaction(NOON - timedelta(hours=1)),
        interaction(NOON, workflow=POPUP_2),
    ]
    await pipe.push(early, reached(NOON), *late)
    await pipe.drain(batch_events=batch_events)
    assert await affected(pipe) == {GOAL: 1}
    assert await affected(pipe, POPUP_2) == {GOAL: 1}


async def test_every_goal_event_counts(pipe: Pipeline) -> None:
    """Three goals after one interaction count three times; of the visitor and the two sessions, each once."""
    goals = [reached(NOON + timedelta(hours=h), session=f"s{h % 2}") for h in (1, 2, 3)]
    await pipe.apply(goals[:1])
    await pipe.apply(interaction(NOON), goals[1:])
    (goal,) = (await pipe.ask(POPUP, *EVER)).json["affected_goals"]
    assert goal["metrics"] == {"events_count": 3, "unique_visitors_count": 1, "unique_sessions_count": 2}


async def test_only_interactions_of_the_visitor_affect(pipe: Pipeline) -> None:
    """No start, triggered goal or page view affects, nor does another visitor, nor one of another organization."""
    await pipe.apply(
        [
            started(NOON),
            triggered(NOON, goal=GOAL_2),
            view(NOON),
            interaction(NOON, visitor="v2"),
            interaction(NOON, visitor="V1"),
            reached(NOON + MS),
        ]
    )
    await pipe.apply(interaction(NOON, organization_id=OTHER_ORG), organization=OTHER_ORG)
    assert await affected(pipe) == {}
    assert (await pipe.ask(POPUP, *EVER, organization=OTHER_ORG)).json["affected_goals"] == []


async def test_the_session_does_not_matter_for_affecting(pipe: Pipeline) -> None:
    """The visitor affects, in whatever session."""
    await pipe.apply(interaction(NOON, session="s1"), reached(NOON + MS, session="s2"))
    assert await affected(pipe) == {GOAL: 1}


async def test_a_goal_counts_at_its_own_time(pipe: Pipeline) -> None:
    """Interaction on the 5th, goal on the 6th: the goal counts on the 6th, in its own 5 minutes."""
    goal = NOON + timedelta(hours=20, minutes=7)  # 2024-06-06 08:07
    await pipe.apply(interaction(NOON), reached(goal))
    assert await affected(pipe, interval=("2024-06-05", "2024-06-06")) == {}
    assert await affected(pipe, interval=("2024-06-06", "2024-06-07")) == {GOAL: 1}
    assert await affected(pipe, interval=("2024-06-06T08:05", "2024-06-06T08:10")) == {GOAL: 1}
    assert await affected(pipe, interval=("2024-06-06T08:10", "2024-06-06T09:00")) == {}


async def test_a_refused_interaction_affects_nothing(pipe: Pipeline) -> None:
    """An interaction that went to the dead letters (the workflow is of the other kind) is not an interaction."""
    await pipe.workflow(POPUP, "page_navigation")
    await pipe.apply([interaction(NOON), reached(NOON), view(NOON, workflow=POPUP)])
    assert "affected_goals" not in (await pipe.ask(POPUP, *EVER)).json
    assert await pipe.reasons() == ["workflow_kind_mismatch"]


async def test_resent_goals_and_interactions_count_once(pipe: Pipeline) -> None:
    """Sent again with their ids in every order, they count once."""
    touch, goal = interaction(NOON, id="i"), bought(NOON + MS, "5", id="g")
    for raws in ([goal, goal], [touch], [goal, touch], [touch, goal]):
        await pipe.apply(raws)
    reply = (await pipe.ask(POPUP, *EVER)).json
    assert reply["affected_goals"][0]["metrics"]["events_count"] == 1
    assert reply["visitor_purchase_sums"] == [{"value": 5, "currency": "EUR"}]


# --- goals in the answer ---


async def test_goals_are_sorted_by_events_then_uuid(pipe: Pipeline) -> None:
    """More events first; equal ones by uuid."""
    third = "33333333-0000-4000-8000-00000000000F"
    await pipe.apply([triggered(NOON, goal=goal) for goal in (third, GOAL_2, GOAL, third)])
    rows = [(g["uuid"], g["metrics"]["events_count"]) for g in (await pipe.ask(POPUP, *EVER)).json["triggered_goals"]]
    assert rows == [(third.lower(), 2), (GOAL, 1), (GOAL_2, 1)]


@pytest.mark.parametrize("together", [True, False])
async def test_goal_names(pipe: Pipeline, together: bool) -> None:  # noqa: FBT001
    """The organization's newest event names a goal, by timestamp, then the greater string, wherever it belongs."""
    raws = [
        triggered(NOON, name="older"),
        triggered(NOON + timedelta(hours=2), name="ä", workflow=POPUP_2),  # newest of all; greater than "z"
        reached(NOON + timedelta(hours=2), name="z"),
        triggered(NOON + timedelta(hours=1), name="zz"),
        triggered(NOON, goal=GOAL_2, name="other"),
    ]
    if together:
        await pipe.apply(raws)
    else:
        for raw in raws:
            await pipe.apply(raw)
    assert {g["uuid"]: g["name"] for g in (await pipe.ask(POPUP, *EVER)).json["triggered_goals"]} == {
        GOAL: "ä",
        GOAL_2: "other",
    }


async def test_goal_names_are_compared_as_strings(pipe: Pipeline) -> None:
    """At equal times the greater string by code points: U+1F600 is above U+FF5E, which UTF-16 would see otherwise."""
    for name in ("\uff5e", "\U0001f600", "a b", "\uff5e"):
        await pipe.apply(triggered(NOON, name=name))
    assert (await pipe.ask(POPUP, *EVER)).json["triggered_goals"][0]["name"] == "\U0001f600"


# --- money ---


async def test_sums_are_decimal(pipe: Pipeline) -> None:
    """0.1 + 0.2 is 0.3 in the very text of the answer."""
    await pipe.apply([interaction(NOON), bought(NOON, "0.1"), bought(NOON, '"0.2"')])
    reply = await pipe.ask(POPUP, *EVER)
    assert re.search(r'"value":\s*0\.30*[,}]', reply.text), reply.text


async def test_sums_grow_past_63_bits(pipe: Pipeline) -> None:
    """1,500 times 10^12 and once 0.0001 are 1.5 * 10^19 + 1 units of 0.0001; 2^63 is 9.2 * 10^18."""
    many = [bought(NOON, "1000000000000")] * 500
    await pipe.apply([interaction(NOON), *many], many)
    await pipe.apply([bought(NOON, "0.0001"), *many])
    reply = await pipe.ask(POPUP, *EVER)
    assert reply.json["visitor_purchase_sums"] == [{"value": Decimal("1500000000000000.0001"), "currency": "EUR"}]
    assert "1500000000000000.0001" in reply.text


async def test_sums_over_several_buckets(pipe: Pipeline) -> None:
    """Day, hours and 5 minutes each carry a part: 3 * 999999999999.9999 = 2999999999999.9997."""
    times = ["2024-06-05T12:00:00Z", "2024-06-06T01:00:00Z", "2024-06-06T02:04:00Z"]
    for text in times:
        await pipe.apply([interaction(text), bought(text, "999999999999.9999"), bought(text, "0.5", "JPY")])
    reply = await pipe.ask(POPUP, "2024-06-05", "2024-06-06T02:05")
    assert reply.json["visitor_purchase_sums"] == [
        {"value": Decimal("2999999999999.9997"), "currency": "EUR"},
        {"value": Decimal("1.5"), "currency": "JPY"},
    ]


async def test_only_purchases_that_name_their_goal_so(pipe: Pipeline) -> None:
    """The event itself must name its goal `System: Visitor purchased`; what the goal is called later doesn't matter."""
    value = {"value": "7", "currency": "EUR"}
    await pipe.apply(
        [
            interaction(NOON),
            bought(NOON, "1"),
            reached(NOON, name=PURCHASED.lower(), purchase=value),
            reached(NOON, name="Renamed", purchase=value),
            reached(NOON, name=PURCHASED),
            reached(NOON + timedelta(hours=25), name="Renamed", purchase=value),
            bought(NOON + timedelta(hours=25), "100"),  # an hour too late
        ]
    )
    reply = (await pipe.ask(POPUP, *EVER)).json
    assert reply["visitor_purchase_sums"] == [{"value": 1, "currency": "EUR"}]
    assert reply["affected_goals"][0]["metrics"]["events_count"] == 4


async def test_a_purchase_of_zero_has_a_sum(pipe: Pipeline) -> None:
    """A purchase of 0 is a purchase: its currency is there with 0."""
    await pipe.apply([interaction(NOON), bought(NOON, "0")])
    assert (await pipe.ask(POPUP, *EVER)).json["visitor_purchase_sums"] == [{"value": 0, "currency": "EUR"}]


# --- hours and days ---


async def stat(pipe: Pipeline, start: str, end: str) -> dict[str, Any]:
    """The time-frame statistics of the page-navigation workflow."""
    answer: dict[str, Any] = (await pipe.ask(PAGES, start, end)).json["timeframe_stat"]
    return answer


@pytest.mark.parametrize("start", ["2024-10-27", "2024-10-27T00:30", "2024-10-27T03:00"])
async def test_an_hour_that_comes_twice_counts_twice(pipe: Pipeline, start: str) -> None:
    """Helsinki, 2024-10-27: 03:30 is 00:30Z and again 01:30Z. One visitor in both: 1 + 1 at 3, and once in the day.

    From midnight the whole day is one bucket, from 00:30 or 03:00 (the first of the two) hours make it up.
    """
    await pipe.organization("Europe/Helsinki")
    await pipe.apply([view("2024-10-27T00:30:00Z"), view("2024-10-27T01:30:00Z"), view("2024-10-27T02:30:00Z", "v2")])
    reply = await pipe.ask(PAGES, start, "2024-10-28")
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {3: 2, 4: 1}
    assert reply.json["unique_visitors_count"] == 2
    assert reply.effective.endswith("/2024-10-28T00:00:00+02:00")
    assert reply.effective.startswith(f"{datetime.fromisoformat(start).isoformat()}+03:00")


async def test_a_doubled_hour_is_in_the_day_bucket(coarse: Pipeline) -> None:
    """The same where days alone are kept, after the hours are gone from the plan."""
    await coarse.organization("Europe/Helsinki")
    await coarse.apply([view("2024-10-27T00:30:00Z"), view("2024-10-27T01:30:00Z")])
    await coarse.apply([view("2024-10-27T01:40:00Z"), view("2024-10-27T01:41:00Z", "v2")])
    assert nonzero((await stat(coarse, "2024-10-27T05:00", "2024-10-27T06:00"))["hour_in_day"]) == {3: 3}


async def test_hours_and_weekdays_are_summed_by_index(pipe: Pipeline) -> None:
    """A visitor on Monday and Tuesday at 14 counts 2 at 14, 1 on either weekday; two Mondays add up."""
    days = ["2024-06-03", "2024-06-04", "2024-06-10"]  # Monday, Tuesday, Monday
    await pipe.apply([view(f"{day}T14:{minute}:00Z") for day in days for minute in ("05", "06", "55")])
    answer = (await pipe.ask(PAGES, "2024-06-01", "2024-06-30")).json
    assert nonzero(answer["timeframe_stat"]["hour_in_day"]) == {14: 3}
    assert nonzero(answer["timeframe_stat"]["day_in_week"]) == {1: 2, 2: 1}
    assert [index for _, index in answer["timeframe_stat"]["hour_in_day"]] == list(range(24))
    assert [index for _, index in answer["timeframe_stat"]["day_in_week"]] == list(range(1, 8))
    assert answer["unique_visitors_count"] == 1
    assert list(answer["timeframe_stat"]) == ["day_in_week", "hour_in_day"]


async def test_weekdays_are_there_from_two_local_days_on(pipe: Pipeline) -> None:
    """In New York 03:59Z and 04:00Z of June 5th are two days; the effective interval decides, not the one asked for."""
    await pipe.organization("America/New_York")
    await pipe.apply(view("2024-06-05T03:59:59Z"), view("2024-06-05T04:00:00Z"))
    assert "day_in_week" not in await stat(pipe, "2024-06-05T00:00-04:00", "2024-06-06T00:00-04:00")
    assert "day_in_week" not in await stat(pipe, "2024-06-05T03:00Z", "2024-06-05T04:00Z")
    two = await stat(pipe, "2024-06-05T03:55Z", "2024-06-05T04:00:00.000001Z")
    assert nonzero(two["day_in_week"]) == {2: 1, 3: 1}
    assert nonzero(two["hour_in_day"]) == {23: 1, 0: 1}


async def test_rims_count_only_what_lies_inside(pipe: Pipeline) -> None:
    """12:07:30 to 12:31:01 is widened to 12:05 to 12:35; of the hour and the day, only that counts."""
    minutes = ["04:59.999999", "05:00", "34:59.999999", "35:00"]
    await pipe.apply([view(f"2024-06-05T12:{text}Z", f"v{i}") for i, text in enumerate(minutes)])
    reply = await pipe.ask(PAGES, "2024-06-05T12:07:30", "2024-06-05T12:31:01")
    assert reply.effective == "2024-06-05T12:05:00+00:00/2024-06-05T12:35:00+00:00"
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {12: 2}
    assert reply.json["unique_visitors_count"] == 2
    # An end on an edge stays there, a microsecond more takes the next 5 minutes along.
    assert (await pipe.ask(PAGES, "2024-06-05T12:05", "2024-06-05T12:35")).json["unique_visitors_count"] == 2
    reply = await pipe.ask(PAGES, "2024-06-05T12:05", "2024-06-05T12:35:00.000001")
    assert reply.json["unique_visitors_count"] == 3


@pytest.mark.parametrize(
    ("zone", "begins", "offset"),
    [
        ("Asia/Kolkata", "04:30", "+05:30"),
        ("Asia/Kathmandu", "04:15", "+05:45"),
        ("America/St_Johns", "12:30", "-02:30"),
    ],
)
async def test_zones_with_odd_offsets(pipe: Pipeline, zone: str, begins: str, offset: str) -> None:
    """Hours of zones with :30 and :45 offsets begin where their own clocks say: 10:00 there is `begins` in UTC."""
    await pipe.organization(zone)
    ten = datetime.fromisoformat(f"2024-06-05T{begins}Z")
    times = [ten - MICRO, ten, ten + timedelta(hours=1) - MICRO, ten + timedelta(hours=1)]
    await pipe.apply([view(at, f"v{i}") for i, at in enumerate(times)])
    reply = await pipe.ask(PAGES, "2024-06-05T10:00", "2024-06-05T11:00")
    assert reply.effective == f"2024-06-05T10:00:00{offset}/2024-06-05T11:00:00{offset}"
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {10: 2}
    assert nonzero((await stat(pipe, "2024-06-05", "2024-06-06"))["hour_in_day"]) == {9: 1, 10: 2, 11: 1}


async def test_half_an_hour_at_a_clock_change(pipe: Pipeline) -> None:
    """Lord Howe, 2024-04-07: 01:30 to 02:00 comes twice (14:30Z at +11, 15:00Z at +10:30), two hours of index 1."""
    await pipe.organization("Australia/Lord_Howe")
    await pipe.apply([view("2024-04-06T14:45:00Z"), view("2024-04-06T15:15:00Z"), view("2024-04-06T15:30:00Z")])
    reply = await pipe.ask(PAGES, "2024-04-07T01:00+11:00", "2024-04-07T03:00+10:30")
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {1: 2, 2: 1}
    assert reply.effective == "2024-04-07T01:00:00+11:00/2024-04-07T03:00:00+10:30"
    assert nonzero((await stat(pipe, "2024-04-07", "2024-04-08"))["hour_in_day"]) == {1: 2, 2: 1}


# --- retention ---


async def test_rims_widen_with_their_age(plain: Pipeline) -> None:
    """Two events 10 minutes apart in one hour: told apart an hour ago, one hour 20 days ago, one day 100 days ago."""
    await plain.organization("Asia/Kolkata")
    now = await plain.now()
    for age, visitors in ((timedelta(hours=26), 1), (timedelta(days=20), 2), (timedelta(days=100), 3)):
        hour = (now - age).replace(minute=30, second=0, microsecond=0)  # an hour of Kolkata begins at :30
        day = hour - timedelta(hours=(hour + timedelta(hours=5, minutes=30)).hour)
        elsewhere = day if hour != day else day + timedelta(hours=1)
        await plain.apply(
            [view(hour, "a"), view(hour + timedelta(minutes=10), "b"), view(elsewhere + timedelta(minutes=1), "c")]
        )
        reply = await plain.ask(PAGES, rfc3339(hour), rfc3339(hour + MICRO))
        start, end = (datetime.fromisoformat(text) for text in reply.effective.split("/"))
        begin, seconds = {1: (hour, 300), 2: (hour, 3600), 3: (day, 86400)}[visitors]
        assert (start, end) == (begin, begin + timedelta(seconds=seconds))
        assert reply.json["unique_visitors_count"] == visitors


async def test_old_days_keep_their_hours(plain: Pipeline) -> None:
    """300 days ago, over several batches: `hour_in_day` of the day is exact, a visitor once in each hour."""
    day = (await plain.now() - timedelta(days=300)).replace(hour=0, minute=0, second=0, microsecond=0)
    for minute in (1, 2, 59):
        await plain.apply(
            [view(day + timedelta(hours=h, minutes=minute), f"v{n}") for h in (0, 7, 23) for n in range(h + 1)]
        )
    reply = await plain.ask(PAGES, rfc3339(day), rfc3339(day + timedelta(days=1)))
    assert nonzero(reply.json["timeframe_stat"]["hour_in_day"]) == {0: 1, 7: 8, 23: 24}
    assert reply.json["unique_visitors_count"] == 24


async def test_the_start_is_never_before_the_oldest_day(plain: Pipeline) -> None:
    """Asked from 450 days ago on, the effective start is the local day of 400 days ago; wholly before it is a 400."""
    await plain.organization("Asia/Kolkata")
    now = await plain.now()
    await plain.apply(view(now - timedelta(days=399)))
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(days=450)), rfc3339(now - timedelta(days=390)))
    oldest = (now - timedelta(days=400) + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT00:00:00+05:30")
    assert reply.effective.startswith(oldest)
    assert reply.json["unique_visitors_count"] == 1
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(days=450)), rfc3339(now - timedelta(days=402)))
    assert reply.status == 400


async def test_an_end_in_the_future_is_fine(plain: Pipeline) -> None:
    """An interval that reaches far ahead counts what there is, and says what it covers."""
    now = await plain.now()
    await plain.apply(view(now - timedelta(minutes=1)))
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(hours=1)), rfc3339(now + timedelta(days=300)))
    assert (reply.status, reply.json["unique_visitors_count"]) == (200, 1)
    assert datetime.fromisoformat(reply.effective.split("/")[1]) >= now + timedelta(days=300)
    reply = await plain.ask(PAGES, rfc3339(now + timedelta(days=1)), rfc3339(now + timedelta(days=2)))
    assert (reply.status, reply.json["unique_visitors_count"]) == (200, 0)


# --- whose numbers ---


async def test_organizations_are_apart(pipe: Pipeline) -> None:
    """The same workflow and visitor in another organization are others; each has its own kind and zone."""
    await pipe.organization("Asia/Kolkata", OTHER_ORG)
    await pipe.apply([view(NOON), view(NOON, "v2")])
    await pipe.apply(started(NOON, workflow=PAGES, organization_id=OTHER_ORG), organization=OTHER_ORG)
    assert (await pipe.ask(PAGES, *EVER)).json["unique_visitors_count"] == 2
    reply = await pipe.ask(PAGES, *EVER, organization=OTHER_ORG)
    assert (reply.json["started_workflows_count"], reply.json["unique_visitors_count"]) == (1, 1)
    assert reply.effective == "2024-01-01T00:00:00+05:30/2024-12-31T00:00:00+05:30"


async def test_unknown_and_empty_workflows(pipe: Pipeline) -> None:
    """No such workflow, or another organization's, is a 404; a registered one without events answers zeros."""
    await pipe.workflow(PAGES, "page_navigation")
    await pipe.workflow(POPUP, "interaction", OTHER_ORG)
    await pipe.apply(reached(NOON), view(datetime.now(UTC) + timedelta(hours=1), workflow=POPUP_2))
    assert (await pipe.ask(POPUP, *EVER)).status == 404
    assert (await pipe.ask(POPUP_2, *EVER)).status == 404
    assert (await pipe.ask(PAGES, *EVER, organization=OTHER_ORG)).status == 404
    assert (await pipe.ask(PAGES, "2024-06-05", "2024-06-06")).json == {
        "timeframe_stat": {"hour_in_day": [[0, hour] for hour in range(24)]},
        "unique_visitors_count": 0,
        "unique_sessions_count": 0,
    }
    assert (await pipe.ask(POPUP, *EVER, organization=OTHER_ORG)).json == {
        "unique_visitors_count": 0,
        "started_workflows_count": 0,
        "visitor_purchase_sums": [],
        "triggered_goals": [],
        "affected_goals": [],
    }


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2024-06-05", "2024-06-05", 400),
        ("2024-06-06", "2024-06-05", 400),
        ("2024-06-05T00:00:00+02:00", "2024-06-04T22:00:00Z", 400),
        ("2024-06-05T00:00:00+02:00", "2024-06-04T22:00:00.000001Z", 200),
        ("2023-01-01", "2024-02-05", 200),  # 400 days
        ("2023-01-01", "2024-02-05T00:00:00.000001", 400),
    ],
)
async def test_intervals_that_make_no_sense(pipe: Pipeline, start: str, end: str, status: int) -> None:
    """The end is after the start, by 400 times 24 hours at most."""
    await pipe.workflow(PAGES, "page_navigation")
    assert (await pipe.ask(PAGES, start, end)).status == status


async def test_what_changed_is_in_the_next_answer(pipe: Pipeline) -> None:
    """The same question after each batch has the new numbers, be the event new or late."""
    for n, at in enumerate([NOON, NOON - timedelta(days=90), NOON + timedelta(days=3), NOON], start=1):
        await pipe.apply(view(at, f"v{n}"))
        answer = (await pipe.ask(PAGES, *EVER)).json
        assert answer["unique_visitors_count"] == n
        assert sum(value for value, _ in answer["timeframe_stat"]["hour_in_day"]) == n


async def test_a_name_from_elsewhere_is_in_the_next_answer(pipe: Pipeline) -> None:
    """A goal gets a newer name by another workflow's event, or by an outer goal: this one's next answer has it."""
    later, latest = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    for raw, name in (
        (triggered(NOON, name="first"), "first"),
        (triggered(later, name="second", workflow=POPUP_2), "second"),
        (reached(latest, name="third"), "third"),
    ):
        await pipe.apply(raw)
        assert (await pipe.ask(POPUP, *EVER)).json["triggered_goals"][0]["name"] == name


async def test_many_late_changes_are_all_in_the_next_answer(pipe: Pipeline) -> None:
    """A hundred old days that were read before change at once, then one by one: each change is in the next answer."""
    days = [NOON - timedelta(days=n) for n in range(100)]
    await pipe.apply([view(day) for day in days])
    assert (await hours(pipe)) == {12: 100}
    await pipe.apply([view(day, "v2") for day in days])
    assert (await hours(pipe)) == {12: 200}
    await pipe.push(*[view(day, "v3") for day in days])
    await pipe.drain(batch_events=1)
    assert (await hours(pipe)) == {12: 300}


async def test_a_log_of_changes_that_expired_loses_no_change(pipe: Pipeline) -> None:
    """What changed before the log of changes expired is in the next answer as well as what changed after."""
    await pipe.apply([view(NOON), view(NOON - timedelta(days=50))])
    assert (await hours(pipe)) == {12: 2}
    await pipe.apply(view(NOON, "v2"))
    assert await pipe.client.delete(keys.changes(pipe.partition(ORG), ORG, PAGES)) == 1
    await pipe.apply(view(NOON - timedelta(days=50), "v2"))
    assert (await hours(pipe)) == {12: 4}


async def hours(pipe: Pipeline) -> dict[int, int]:
    """`hour_in_day` of the year."""
    return nonzero((await stat(pipe, *EVER))["hour_in_day"])


async def test_answers_never_straddle_a_commit(pipe: Pipeline) -> None:
    """While a worker applies batches of a start, a goal and a purchase in many buckets, answers have equally many of each."""
    both = [
        make(NOON + timedelta(hours=h, minutes=7))
        for h in range(0, 40, 3)
        for make in (
            interaction,
            started,
            triggered,
            lambda at: bought(at, "1", goal={"uuid": GOAL_2, "name": PURCHASED}),
        )
    ]
    await pipe.push(*[both] * 60)
    work = asyncio.create_task(pipe.drain(batch_events=1))
    seen = set()
    try:
        while not work.done():
            reply = await pipe.ask(POPUP, "2024-06-05T12:05", "2024-06-08T07:10")
            if reply.status == 200:
                answer = reply.json
                goals = [answer[role][0]["metrics"]["events_count"] for role in ("triggered_goals", "affected_goals")]
                assert goals == [answer["started_workflows_count"]] * 2
                seen.add(answer["started_workflows_count"])
    finally:
        await work
    assert len(seen) > 3, "the answers saw nothing of the worker's progress"
    assert all(count % 14 == 0 for count in seen)
