"""The comparison of all organizations with the rules of their zones: which organizations it finds, and at what cost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sidedata.ingest.worker.comparison import Comparison, PendingComparison
from sidedata.schema.keys import keyspace
from tests.support.clock import ManualClock
from tests.support.constants import ORG, OTHER_ORG
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import connect
from tests.support.redis.users import login
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
    """An organization that only its key names is listed then. The lists serve until workers of a version without them have left."""
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
    assert await found(comparison, pending) == {ORG, OTHER_ORG}
    assert (await scans(pipe) > before) == left
    assert pending.release == NEW


async def test_old_workers_that_leave_during_a_search_cause_another(pipe: Pipeline) -> None:
    """The search under way may have missed an organization of theirs."""
    now = await pipe.now()
    rulebook = Case(now, 27, -7 * HOUR, -8 * HOUR, -7 * HOUR).rulebook(NEW, pipe.settings)
    comparison, pending = Comparison(pipe.client, rulebook, ManualClock(now.timestamp())), PendingComparison()
    await found(comparison, pending)
    rulebook.old_workers = True
    comparison.start_if_due({0: pending})
    pending.due_at = float("-inf")
    comparison.start_if_due({0: pending})
    await asyncio.sleep(0)  # a search has begun
    rulebook.old_workers = False
    comparison.start_if_due({0: pending})  # they have left while it runs
    assert comparison._task is not None
    await comparison._task
    await pipe.organization("Europe/Berlin")
    await pipe.client.zrem(keyspace(0).organizations, ORG)
    assert await found(comparison, pending) == {ORG}


async def test_without_the_right_to_scan_the_lists_are_compared(pipe: Pipeline) -> None:
    """No release is recorded for the partition then, because its list may lack some."""
    now = await pipe.now()
    rulebook = Case(now, 27, -7 * HOUR, -8 * HOUR, -7 * HOUR).rulebook(NEW, pipe.settings)
    await pipe.organization("Europe/Berlin")
    await pipe.client.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">x", "~*", "+@all", "-scan")
    gateway = connect(login(pipe.settings.redis_url, "narrow", "x"), timeout=10)
    comparison, pending = Comparison(gateway, rulebook, ManualClock(now.timestamp())), PendingComparison()
    assert await found(comparison, pending) == {ORG}
    assert pending.release is None
    await gateway.aclose()
