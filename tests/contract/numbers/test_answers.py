"""An answer has the numbers of its workflow, and the next answer after a change contains the change."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import (
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
from tests.support.figures import EVER, NOON, hours
from tests.support.pipeline import Pipeline


@pytest.mark.holds("1.0.1", "2.3.2")
async def test_organizations_are_apart(pipe: Pipeline) -> None:
    """The same workflow and visitor in another organization are others; each has its own kind and zone."""
    await pipe.organization("Asia/Kolkata", OTHER_ORG)
    await pipe.apply([view(NOON), view(NOON, "v2")])
    await pipe.apply(started(NOON, workflow=PAGES, organization_id=OTHER_ORG), organization=OTHER_ORG)
    assert (await pipe.ask(PAGES, *EVER)).json["unique_visitors_count"] == 2
    reply = await pipe.ask(PAGES, *EVER, organization=OTHER_ORG)
    assert (reply.json["started_workflows_count"], reply.json["unique_visitors_count"]) == (1, 1)
    assert reply.effective == "2024-01-01T00:00:00+05:30/2024-12-31T00:00:00+05:30"


@pytest.mark.holds("6.5", "3.0.7", "3.0.8")
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


@pytest.mark.holds("3.1.5")
async def test_what_changed_is_in_the_next_answer(pipe: Pipeline) -> None:
    """The same question after each batch has the new numbers, be the event new or late."""
    for n, at in enumerate([NOON, NOON - timedelta(days=90), NOON + timedelta(days=3), NOON], start=1):
        await pipe.apply(view(at, f"v{n}"))
        answer = (await pipe.ask(PAGES, *EVER)).json
        assert answer["unique_visitors_count"] == n
        assert sum(value for value, _ in answer["timeframe_stat"]["hour_in_day"]) == n


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
    """Changes before the expiry of the log of changes are in the next answer, and so are later ones."""
    await pipe.apply([view(NOON), view(NOON - timedelta(days=50))])
    assert (await hours(pipe)) == {12: 2}
    await pipe.apply(view(NOON, "v2"))
    assert await pipe.client.delete(keys.keyspace(pipe.partition(ORG)).changes(ORG, PAGES)) == 1
    await pipe.apply(view(NOON - timedelta(days=50), "v2"))
    assert (await hours(pipe)) == {12: 4}


@pytest.mark.holds("2.3.3")
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
