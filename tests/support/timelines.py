"""Timelines over HTTP: their path, questions and answers."""

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.constants import ORG
from tests.support.events import bought, interaction, started, triggered, view
from tests.support.pipeline import Pipeline
from tests.support.processes.service import ask_patiently

ZONE = "Europe/Helsinki"


def path(workflow: str) -> str:
    """The path of a workflow's timeline."""
    return f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{workflow}/sidedata/timeline"


class Answer:
    """A timeline's status, headers and body."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body, numbers with a fraction as `Decimal`."""
        return json.loads(self.text, parse_float=Decimal)

    @property
    def effective(self) -> str:
        """The effective interval."""
        return self.headers["Sidedata-Effective-Interval"]


async def ask(
    pipe: Pipeline, workflow: str, start: datetime, end: datetime, granularity: str, **headers: str
) -> Answer:
    """Ask for a timeline by POST."""
    body = {"interval": {"start": start.isoformat(), "end": end.isoformat()}, "granularity": granularity}
    heard = await ask_patiently(pipe.http, "POST", path(workflow), json=body, headers=headers)
    return Answer(heard.status, heard.headers, heard.body.decode())


async def fill(pipe: Pipeline, now: datetime) -> None:
    """Events of both kinds over 40 days, most of them of the last two."""
    await pipe.organization(ZONE)
    dice = random.Random(7)
    events = []
    for number in range(2_000):
        ago = timedelta(days=40) if number % 4 == 0 else timedelta(hours=50)
        at = now - ago * dice.random()
        ids = {"visitor": f"v{dice.randrange(400)}", "session": f"s{dice.randrange(700)}"}
        events.append(view(at, **ids))
        events.append(dice.choice([started(at, **ids), interaction(at, **ids), triggered(at, **ids)]))
        events.append(bought(at + timedelta(seconds=1), f"{number}.01", dice.choice(["EUR", "USD"]), **ids))
    await pipe.apply(*(events[first : first + 500] for first in range(0, len(events), 500)))


def figures(report: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The figures of a point, from the report over its span."""
    if kind == "page":
        return {name: report[name] for name in ("unique_visitors_count", "unique_sessions_count")}
    events = {
        role: sum(goal["metrics"]["events_count"] for goal in report[f"{role}_goals"])
        for role in ("triggered", "affected")
    }
    return {
        "unique_visitors_count": report["unique_visitors_count"],
        "started_workflows_count": report["started_workflows_count"],
        "triggered_goals_count": events["triggered"],
        "affected_goals_count": events["affected"],
        "visitor_purchase_sums": report["visitor_purchase_sums"],
    }
