"""Figures of answers that tests of the contract compare, and the instants that these tests are about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.events import PAGES, POPUP
from tests.support.pipeline import Pipeline

NOON = datetime(2024, 6, 5, 12, tzinfo=UTC)
EVER = ("2024-01-01", "2024-12-31")
MS = timedelta(milliseconds=1)
MICRO = timedelta(microseconds=1)


async def affected(pipe: Pipeline, workflow: str = POPUP, interval: tuple[str, str] = EVER) -> dict[str, int]:
    """Affected goals with their number of events."""
    goals = (await pipe.ask(workflow, *interval)).json["affected_goals"]
    return {goal["uuid"]: goal["metrics"]["events_count"] for goal in goals}


def nonzero(pairs: list[list[int]]) -> dict[int, int]:
    """The pairs of `[[value, index], …]` whose value is not 0."""
    return {index: value for value, index in pairs if value}


async def stat(pipe: Pipeline, start: str, end: str) -> dict[str, Any]:
    """The time-frame statistics of the page-navigation workflow."""
    answer: dict[str, Any] = (await pipe.ask(PAGES, start, end)).json["timeframe_stat"]
    return answer


async def hours(pipe: Pipeline) -> dict[int, int]:
    """`hour_in_day` of the year."""
    return nonzero((await stat(pipe, *EVER))["hour_in_day"])


async def starts(pipe: Pipeline, workflow: str = POPUP, interval: tuple[str, str] = EVER) -> int:
    """The exact count that an interaction workflow answers with: its `workflow_started` events."""
    count: int = (await pipe.ask(workflow, *interval)).json["started_workflows_count"]
    return count
