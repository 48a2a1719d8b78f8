"""The comparison of all organizations with the rules of their zones: which organizations it finds, and at what cost."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sidedata.ingest.worker.comparison import Comparison, PendingComparison
from sidedata.schema.keys import keyspace
from tests.support.clock import ManualClock
from tests.support.constants import ORG, OTHER_ORG
from tests.support.pipeline import Pipeline, pipeline
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NEW, Case

HALF_AN_HOUR = 1_800


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation of one partition."""
    async with pipeline(redis_url, partitions=1) as opened:
        yield opened


async def scans(pipe: Pipeline) -> int:
    """Count the calls of SCAN."""
    found = (await pipe.client.info("commandstats")).get("cmdstat_scan", {"calls": 0})
    return int(found["calls"])


async def found(comparison: Comparison, pending: PendingComparison) -> set[str]:
    """Search, and take the organizations out, as the partition's task does."""
    comparison.start_if_due({0: pending})
    assert comparison._task is not None
    await comparison._task
    organizations = set(pending.organizations)
    pending.organizations.clear()
    return organizations


@pytest.mark.parametrize("left", [False, True], ids=["all the while", "old workers leave"])
async def test_all_keys_are_scanned_once(pipe: Pipeline, *, left: bool) -> None:
    """The lists of organizations serve each later comparison, until a worker of a version without lists has been there."""
    now = await pipe.now()
    rulebook = Case(now, 27, -7 * HOUR, -8 * HOUR, -7 * HOUR).rulebook(NEW, pipe.settings)
    clock = ManualClock(now.timestamp())
    comparison, pending = Comparison(pipe.client, rulebook, clock), PendingComparison()
    await pipe.organization("Europe/Berlin")
    await pipe.client.zrem(keyspace(0).organizations, ORG)  # as a version without lists leaves it
    before = await scans(pipe)
    assert await found(comparison, pending) == {ORG}
    assert await scans(pipe) > before

    await pipe.organization("Asia/Tokyo", OTHER_ORG)
    before = await scans(pipe)
    if left:
        rulebook.old_workers = True
        comparison.start_if_due({0: pending})
        rulebook.old_workers = False
    else:
        clock.set(clock.now() + HALF_AN_HOUR)
    assert await found(comparison, pending) == ({ORG, OTHER_ORG} if left else {OTHER_ORG})
    assert (await scans(pipe) > before) == left
