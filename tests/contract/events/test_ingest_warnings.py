"""The warnings of a 202: what is known by then to become a dead letter is named, and becomes one."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP
from tests.support.pipeline import Pipeline
from tests.support.purges import purge

EVENTS = f"/api/ingest/v1/orgs/{ORG}/events"


def event(at: datetime | None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """A page view."""
    timestamp = {} if at is None else {"timestamp": at.isoformat()}
    return {"type": "page_view", "workflow_id": PAGES, "visitor_id": "v", "session_id": "s", **timestamp, **fields}


async def send(pipe: Pipeline, events: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - the answer
    """Send events over HTTP."""
    async with pipe.http.post(EVENTS, json=events) as response:
        assert response.status == 202, await response.text()
        return await response.json()


@pytest.mark.holds("2.2.6")
async def test_what_will_become_a_dead_letter_is_named(plain: Pipeline) -> None:
    """It is accepted and counted all the same; a batch without such events has no key `warnings`."""
    await plain.organization("Europe/Helsinki")
    await plain.workflow(POPUP, "interaction")
    now = await plain.now()
    events = [
        event(now),
        event(now - timedelta(days=402)),
        event(now + timedelta(minutes=7)),
        event(now, workflow_id=POPUP),
        event(now - timedelta(days=399)),
        event(None),
    ]
    answer = await send(plain, events)
    assert answer["accepted"] == 6
    warnings = [(one["pointer"], one["reason"]) for one in answer["warnings"]]
    assert warnings == [
        ("/1/timestamp", "too_old"),
        ("/2/timestamp", "in_future"),
        ("/3/workflow_id", "workflow_kind_mismatch"),
    ]
    await plain.drain()
    assert sorted(await plain.reasons()) == sorted(reason for _, reason in warnings)
    assert await send(plain, [event(now)]) == {"accepted": 1}


@pytest.mark.holds("2.2.6")
async def test_the_first_20_are_named(plain: Pipeline) -> None:
    """One warning an event."""
    await plain.workflow(POPUP, "interaction")
    old = await plain.now() - timedelta(days=500)
    answer = await send(plain, [event(old, workflow_id=POPUP)] * 30)
    assert answer["accepted"] == 30
    assert [one["pointer"] for one in answer["warnings"]] == [f"/{index}/timestamp" for index in range(20)]


@pytest.mark.holds("2.2.6")
@pytest.mark.parametrize("registered", [False, True], ids=["kind freed", "another kind registered"])
@pytest.mark.parametrize("workflow", [POPUP, None], ids=["workflow", "organization"])
async def test_no_event_is_named_that_a_purge_has_made_good(
    plain: Pipeline, workflow: str | None, *, registered: bool
) -> None:
    """An event of another kind than the purged one's is not named at once after the purge, and it is applied."""
    await plain.workflow(POPUP, "interaction")
    now = await plain.now()
    answer = await send(plain, [event(now, workflow_id=POPUP)])
    assert [one["reason"] for one in answer["warnings"]] == ["workflow_kind_mismatch"]
    await plain.drain()
    await purge(plain, workflow=workflow).run()
    if registered:
        await plain.workflow(POPUP, "page_navigation")
    assert await send(plain, [event(now, workflow_id=POPUP)]) == {"accepted": 1}
    await plain.drain()
    assert await plain.reasons() == []
