"""Planning in a thread of its own, beside the loop that renews leases."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sidedata.calendar.zones import zone
from sidedata.events.hashing import Hasher
from sidedata.ingest.apply.entries import EntryDecoder
from sidedata.ingest.apply.model import BatchLookups, BatchQueries, StreamEvent, resolve_cached
from sidedata.ingest.apply.planner import Planner
from sidedata.ingest.dedup.deduplicator import Deduplicator
from sidedata.ingest.dedup.id_filters import FilterMemory
from sidedata.ingest.organizations.organization import Organization
from sidedata.operations import Operations
from sidedata.schema.keys import keyspace
from sidedata.settings import Settings
from tests.support.constants import ORG, SECRET
from tests.support.events import interaction, reached, started

NOW = datetime(2026, 9, 29, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def resolved_events(raws: list[bytes]) -> list[StreamEvent]:
    """Decode events of one organization, and resolve them as the owner cache does."""
    decoder = EntryDecoder(0, 1)
    for number, raw in enumerate(raws):
        decoder.read(f"{NOW_MS}-{number}", [b"event", raw])
    assert not decoder.dead_letters
    organization = Organization(ORG, keyspace(0), zone("UTC"), None, 0, Hasher(SECRET), has_events=True)
    for event in decoder.events:
        if event.workflow_id is not None:
            organization.workflow(event.workflow_id).is_loaded = True
    assert not resolve_cached(decoder.events, {ORG: organization}, 0)
    BatchQueries().add(decoder.events, keyspace(0), NOW_MS)
    return decoder.events


def of_one_visitor() -> list[bytes]:
    """Goals that each look through a thousand workflows, and affect none, because the visitor interacted later."""
    workflows = [f"22222222-0000-4000-8000-{number:012x}" for number in range(1_000)]
    goals = [reached(NOW - timedelta(hours=5, seconds=number)) for number in range(3_000)]
    return [interaction(NOW - timedelta(minutes=50), workflow=workflow) for workflow in workflows] + goals


def of_one_workflow() -> list[bytes]:
    """As many starts as a large batch has where `SIDEDATA_BATCH_EVENTS` is large, too."""
    return [started(NOW)] * 80_000


@pytest.mark.parametrize("made", [of_one_visitor, of_one_workflow])
async def test_the_loop_runs_beside_a_long_plan(made: Callable[[], list[bytes]]) -> None:
    """The loop runs while a thread plans a long batch, as it sees by the progress of the plan."""
    settings = Settings(secret=SECRET, visitor_goals=3_000)
    raws = made()
    planner = Planner(
        settings,
        Deduplicator(keyspace(0), 24, {}, FilterMemory(settings)),
        BatchLookups(NOW_MS),
        Operations(keyspace(0), NOW_MS // 1000, {}),
    )
    planned = asyncio.create_task(asyncio.to_thread(planner.plan, resolved_events(raws), []))
    seen: set[int] = set()
    while not planned.done():
        await asyncio.sleep(0)
        seen.add(len(planner._types))
    plan = await planned
    assert sum(plan.outcome.events.values()) == len(raws)
    assert seen - {0, len(raws)}
