"""Sections 2.4 and 4 of the contract by hand: which goals are affected, and how goals are counted, sorted and named."""

from datetime import timedelta

import pytest

from tests.support.constants import OTHER_ORG
from tests.support.events import GOAL, GOAL_2, POPUP, POPUP_2, bought, interaction, reached, started, triggered, view
from tests.support.figures import EVER, MICRO, MS, NOON, affected
from tests.support.pipeline import Pipeline

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


@pytest.mark.holds("2.4.1", "2.4.3")
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


@pytest.mark.holds("2.4.2")
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


@pytest.mark.holds("2.4.2")
async def test_every_goal_event_counts(pipe: Pipeline) -> None:
    """Three goals after one interaction count three times; of the visitor and the two sessions, each once."""
    goals = [reached(NOON + timedelta(hours=h), session=f"s{h % 2}") for h in (1, 2, 3)]
    await pipe.apply(goals[:1])
    await pipe.apply(interaction(NOON), goals[1:])
    (goal,) = (await pipe.ask(POPUP, *EVER)).json["affected_goals"]
    assert goal["metrics"] == {"events_count": 3, "unique_visitors_count": 1, "unique_sessions_count": 2}


@pytest.mark.holds("2.4.1")
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


@pytest.mark.holds("2.4.1")
async def test_the_session_does_not_matter_for_affecting(pipe: Pipeline) -> None:
    """The visitor affects, in whatever session."""
    await pipe.apply(interaction(NOON, session="s1"), reached(NOON + MS, session="s2"))
    assert await affected(pipe) == {GOAL: 1}


@pytest.mark.holds("2.4.2")
async def test_a_goal_counts_at_its_own_time(pipe: Pipeline) -> None:
    """Interaction on the 5th, goal on the 6th: the goal counts on the 6th, in its own 5 minutes."""
    goal = NOON + timedelta(hours=20, minutes=7)  # 2024-06-06 08:07
    await pipe.apply(interaction(NOON), reached(goal))
    assert await affected(pipe, interval=("2024-06-05", "2024-06-06")) == {}
    assert await affected(pipe, interval=("2024-06-06", "2024-06-07")) == {GOAL: 1}
    assert await affected(pipe, interval=("2024-06-06T08:05", "2024-06-06T08:10")) == {GOAL: 1}
    assert await affected(pipe, interval=("2024-06-06T08:10", "2024-06-06T09:00")) == {}


@pytest.mark.holds("2.4.1")
async def test_a_refused_interaction_affects_nothing(pipe: Pipeline) -> None:
    """An interaction that went to the dead letters (the workflow is of the other kind) is not an interaction."""
    await pipe.workflow(POPUP, "page_navigation")
    await pipe.apply([interaction(NOON), reached(NOON), view(NOON, workflow=POPUP)])
    assert "affected_goals" not in (await pipe.ask(POPUP, *EVER)).json
    assert await pipe.reasons() == ["workflow_kind_mismatch"]


@pytest.mark.holds("2.3.1", "2.4.2")
async def test_resent_goals_and_interactions_count_once(pipe: Pipeline) -> None:
    """Sent again with their ids in every order, they count once."""
    touch, goal = interaction(NOON, id="i"), bought(NOON + MS, "5", id="g")
    for raws in ([goal, goal], [touch], [goal, touch], [touch, goal]):
        await pipe.apply(raws)
    reply = (await pipe.ask(POPUP, *EVER)).json
    assert reply["affected_goals"][0]["metrics"]["events_count"] == 1
    assert reply["visitor_purchase_sums"] == [{"value": 5, "currency": "EUR"}]


@pytest.mark.holds("4.7")
async def test_goals_are_sorted_by_events_then_uuid(pipe: Pipeline) -> None:
    """More events first; equal ones by uuid."""
    third = "33333333-0000-4000-8000-00000000000F"
    await pipe.apply([triggered(NOON, goal=goal) for goal in (third, GOAL_2, GOAL, third)])
    rows = [(g["uuid"], g["metrics"]["events_count"]) for g in (await pipe.ask(POPUP, *EVER)).json["triggered_goals"]]
    assert rows == [(third.lower(), 2), (GOAL, 1), (GOAL_2, 1)]


@pytest.mark.holds("4.8")
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


@pytest.mark.holds("4.8")
async def test_goal_names_are_compared_as_strings(pipe: Pipeline) -> None:
    """At equal times the greater string by code points: U+1F600 is above U+FF5E, which UTF-16 would see otherwise."""
    for name in ("\uff5e", "\U0001f600", "a b", "\uff5e"):
        await pipe.apply(triggered(NOON, name=name))
    assert (await pipe.ask(POPUP, *EVER)).json["triggered_goals"][0]["name"] == "\U0001f600"


@pytest.mark.holds("4.8")
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
