"""Attribution against brute force where a visitor's memory is full or long, which is where it must not become slow either."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from sidedata.ingest.apply.attribution import FORGET_MS, Visitor
from sidedata.schema.visitor_state import OuterGoal
from tests.support.constants import KEEP_ALL
from tests.support.events import GOAL, POPUP, POPUP_2, interaction, reached
from tests.support.pipeline import Pipeline, pipeline

NOON = datetime(2024, 6, 5, 12, tzinfo=UTC)
WINDOW_US = 100
MOST_GOALS = 6


class BruteForce:
    """All that ever arrived; walks through all of it for each event."""

    def __init__(self) -> None:
        self.interactions: list[tuple[str, int, int]] = []  # workflow, time, arrival
        self.goals: list[OuterGoal] = []  # those that wait, by arrival
        self.counted: set[tuple[str, str]] = set()

    def interact(self, workflow: str, at_us: int, arrived_ms: int) -> list[str]:
        """The keys of goals that it affects its workflow by for the first time, by time and arrival."""
        self._forget(arrived_ms)
        self.interactions.append((workflow, at_us, arrived_ms))
        waiting = sorted(self.goals, key=lambda goal: goal.at_us)
        return [
            goal.key for goal in waiting if at_us <= goal.at_us <= at_us + WINDOW_US and self._first(workflow, goal)
        ]

    def reach(self, goal: OuterGoal) -> list[str]:
        """The workflows that it affects, each once."""
        self._forget(goal.arrived_ms)
        self.goals = [*self.goals, goal][-MOST_GOALS:]
        held = {workflow for workflow, at_us, _ in self.interactions if at_us <= goal.at_us <= at_us + WINDOW_US}
        return sorted(workflow for workflow in held if self._first(workflow, goal))

    def _first(self, workflow: str, goal: OuterGoal) -> bool:
        new = (workflow, goal.key) not in self.counted
        self.counted.add((workflow, goal.key))
        return new

    def _forget(self, now_ms: int) -> None:
        self.goals = [goal for goal in self.goals if goal.arrived_ms >= now_ms - FORGET_MS]


@pytest.mark.holds("2.4.4")
@pytest.mark.parametrize("seed", range(40))
def test_a_full_memory_forgets_what_came_first(seed: int) -> None:
    """Whatever order times come in and however often the memory is stored, each pair counts once and the newest goals wait."""
    choose = random.Random(seed)
    stored: dict[bytes, bytes] = {}
    brute = BruteForce()
    visitor = Visitor(stored, WINDOW_US, MOST_GOALS)
    for n in range(300):
        arrived_ms, at_us = 10**12 + n // 3, choose.randint(0, 12) * 25
        if choose.random() < 0.5:
            goal = OuterGoal(
                at_us, GOAL, "session", None, None, arrived_ms, f"{arrived_ms}-{n % 3}.{choose.randint(0, 11)}"
            )
            assert sorted(visitor.reach(goal)) == brute.reach(goal), (seed, n)
        else:
            workflow = choose.choice([POPUP, POPUP_2])
            affected = [goal.key for goal in visitor.interact(workflow, at_us, arrived_ms)]
            assert affected == brute.interact(workflow, at_us, arrived_ms), (seed, n)
        if choose.random() < 0.2:
            stored |= {field.encode(): text.encode() for field, text in visitor.updates().items()}
            for field in visitor.deletions():
                stored.pop(field.encode(), None)
            visitor = Visitor(stored, WINDOW_US, MOST_GOALS)
            assert len([field for field in stored if field.startswith(b"goal:")]) <= MOST_GOALS


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps buckets of all levels for a hundred years."""
    async with pipeline(redis_url, partitions=1, **KEEP_ALL) as opened:
        yield opened


@pytest.mark.holds("2.4.4")
async def test_the_most_goals_of_one_visitor_stop_no_worker(pipe: Pipeline) -> None:
    """More goals than are remembered, at one instant, and then thousands of interactions: the newest 10,000 count, and it ends."""
    goals = [reached(NOON) for _ in range(12_000)]
    interactions = [interaction(NOON - timedelta(seconds=n)) for n in range(3_000)]
    for raws in (goals, interactions):
        await pipe.push(*(raws[at : at + 1_000] for at in range(0, len(raws), 1_000)))
    await pipe.drain()
    (goal,) = (await pipe.ask(POPUP, "2024-06-05", "2024-06-06")).json["affected_goals"]
    assert goal["metrics"]["events_count"] == 10_000


async def test_years_of_interactions_of_one_visitor_stop_no_worker(pipe: Pipeline) -> None:
    """An imported history of a visitor who came every other day is one span for each visit; a goal finds its own."""
    visits = [NOON - timedelta(days=2 * n) for n in range(1_000)]
    again = [visit + timedelta(seconds=n) for n, visit in enumerate(visits)] * 4
    raws = [interaction(at) for at in (*visits, *again)]
    await pipe.push(*(raws[at : at + 1_000] for at in range(0, len(raws), 1_000)))
    await pipe.apply(reached(visits[700] + timedelta(hours=1)), reached(visits[700] + timedelta(hours=25)))
    (goal,) = (await pipe.ask(POPUP, visits[701].isoformat(), visits[699].isoformat())).json["affected_goals"]
    assert goal["metrics"]["events_count"] == 1
