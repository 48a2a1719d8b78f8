"""The owner's cache saves work from batch to batch and never changes a number."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from sidedata.ingest.apply import owner_cache
from sidedata.ingest.apply.partition import Partition, live_partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.organizations.organization import FinestBucket
from sidedata.ingest.ownership import lease
from sidedata.reads.owner import Lookups, look_up
from sidedata.schema import keys
from tests.support.constants import ORG as ORGANIZATION
from tests.support.events import PAGES, POPUP, bought, interaction, triggered, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.workers import applied_entries


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation of one partition."""
    async with pipeline(redis_url, partitions=1) as opened:
        yield opened


async def owner(pipe: Pipeline, name: str) -> Partition:
    """The partition, in the hands of `name`."""
    taken = await lease.acquire(pipe.client, pipe.settings, 0, name, force=True)
    assert taken is not None
    return live_partition(pipe.client, pipe.settings, 1, taken, Metrics())


async def calls(pipe: Pipeline, command: str) -> int:
    """Count the calls of a command in Redis."""
    found = (await pipe.client.info("commandstats")).get(f"cmdstat_{command}", {"calls": 0})
    return int(found["calls"])


async def test_a_visitor_that_is_known_costs_no_sketch(pipe: Pipeline) -> None:
    """A thousand views of one session in one bucket touch its sketches once; the newest event is noted all the same."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    await pipe.push(view(now))
    assert await applied_entries(partition) == 1
    before = await calls(pipe, "pfadd")
    revision = await pipe.client.hget(keys.keyspace(0).workflow(ORGANIZATION, PAGES), "revision")
    await pipe.push([view(now + timedelta(microseconds=n)) for n in range(1, 1_000)])
    assert await applied_entries(partition) == 1
    assert await calls(pipe, "pfadd") == before
    assert await pipe.client.hget(keys.keyspace(0).workflow(ORGANIZATION, PAGES), "revision") == revision
    newest = int((now + timedelta(microseconds=999)).timestamp() * 1_000_000)
    assert abs(await pipe.client.zscore(keys.keyspace(0).workflows(ORGANIZATION), PAGES) - newest) <= 1


async def test_a_bucket_is_told_its_expiry_once(pipe: Pipeline) -> None:
    """Every key of a bucket has its TTL from the first commit on, and later commits don't repeat it."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    for n in range(5):
        await pipe.push([view(now, f"v{n}", f"s{n}"), triggered(now, f"v{n}")])
        before = await calls(pipe, "expireat")
        assert await applied_entries(partition) == 1
        expiries = await calls(pipe, "expireat") - before
        # Two logs of changes, whose expiry moves every ten minutes.
        assert expiries > 10 if n == 0 else expiries <= 2, expiries
    unlimited = [key async for key in pipe.client.scan_iter("sd:{0}:*") if await pipe.client.ttl(key) == -1]
    assert not [key for key in unlimited if b":5min:" in key or b":hour:" in key or b":day:" in key]


async def test_a_log_of_changes_names_the_newest(pipe: Pipeline) -> None:
    """An owner that commits to a hundred days, one by one, keeps 64 changes or more, and never many more than twice as many."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    sizes = []
    for n in range(100):
        await pipe.push(view(now - timedelta(days=n)))
        assert await applied_entries(partition) == 1
        sizes.append(await pipe.client.zcard(keys.keyspace(0).changes(ORGANIZATION, PAGES)))
        if n % 30 == 0:
            whole = (await pipe.ask(PAGES, (now - timedelta(days=150)).isoformat(), now.isoformat())).json
            assert sum(value for value, _ in whole["timeframe_stat"]["day_in_week"]) == n + 1
    assert max(sizes) <= 2 * 64 + 3
    assert min(sizes[30:]) >= 64


async def test_a_batch_of_more_changes_than_the_log_holds(pipe: Pipeline) -> None:
    """A service that has read a hundred days counts what one batch adds to all of them, and what a later one adds to some."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    days = [now - timedelta(days=n) for n in range(100)]
    expected = 0
    for n, changed in enumerate([days, days, days[90:], days[:1], days]):
        await pipe.push([view(day, f"v{n}") for day in changed])
        assert await applied_entries(partition) == 1
        expected += len(changed)
        whole = (await pipe.ask(PAGES, (now - timedelta(days=150)).isoformat(), now.isoformat())).json
        assert sum(value for value, _ in whole["timeframe_stat"]["day_in_week"]) == expected


@pytest.mark.parametrize("most", [1, 7, 100])
async def test_an_owner_that_forgets_counts_the_same(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """However little it may remember: visitors, sessions, goals and sums are those of the events."""
    monkeypatch.setattr(owner_cache, "_MOST_IDS", most)
    monkeypatch.setattr(owner_cache, "_MOST_RECORDS", most)
    dice = random.Random(most)
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    visitors: set[int] = set()
    spent = 0
    for batch in range(30):
        raws = []
        for n in range(20):
            visitor = dice.randrange(40)
            at = now - timedelta(minutes=dice.randrange(300))
            visitors.add(visitor)
            raws += [view(at, f"v{visitor}", f"s{visitor}", id=f"{batch}-{n}"), interaction(at, f"v{visitor}")]
        raws.append(bought(now, "0.1", visitor=f"v{dice.choice(sorted(visitors))}", id=f"b{batch}"))
        spent += 1
        await pipe.push(raws + raws[:1])  # one of each batch comes twice
        assert await applied_entries(partition) == 1
    interval = ((now - timedelta(hours=6)).isoformat(), (now + timedelta(minutes=5)).isoformat())
    pages, popup = (await pipe.ask(PAGES, *interval)).json, (await pipe.ask(POPUP, *interval)).json
    assert abs(pages["unique_visitors_count"] - len(visitors)) <= 1
    assert pages["unique_visitors_count"] == pages["unique_sessions_count"] == popup["unique_visitors_count"]
    assert popup["visitor_purchase_sums"] == [{"value": spent / 10, "currency": "EUR"}]
    assert await pipe.reasons() == []


async def test_records_forgotten_while_others_are_learnt(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is read ahead loads records while a commit drops them; it loads them again, and all is counted."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    await pipe.push(view(now))
    assert await applied_entries(partition) == 1
    known = partition._owner_cache
    asked = 0

    async def forgetful(*questions: Any) -> Lookups:  # noqa: ANN401 - as the function has it
        nonlocal asked
        asked += 1
        if asked == 1:
            known.drop_records()
        return await look_up(*questions)

    monkeypatch.setattr(owner_cache, "look_up", forgetful)
    await pipe.push(
        [view(now, "v2"), interaction(now, "v2")]
    )  # a workflow that is new, of an organization that is known
    assert await applied_entries(partition) == 1
    interval = ((now - timedelta(hours=1)).isoformat(), (now + timedelta(minutes=5)).isoformat())
    assert (await pipe.ask(PAGES, *interval)).json["unique_visitors_count"] == 2
    assert (await pipe.ask(POPUP, *interval)).json["unique_visitors_count"] == 1


@pytest.mark.parametrize(
    ("bound", "most"),
    [("_MOST_IDS", 1_000), ("_MOST_IDS", 1), ("_MOST_RECORDS", 1), ("_MOST_RECORDS", 4), ("_MOST_BUCKETS", 1)],
)
async def test_a_late_event_lengthens_its_hour_whatever_was_forgotten(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    """An old hour lives 48 hours from its last event, also where that brings no visitor and no session that is new."""
    monkeypatch.setattr(owner_cache, bound, most)
    old = (await pipe.now() - timedelta(days=40)).replace(minute=30)
    partition = await owner(pipe, "owner")

    async def an_hour_later(*questions: Any) -> Lookups:  # noqa: ANN401 - as the function has it
        lookups = await look_up(*questions)
        return lookups._replace(now_ms=lookups.now_ms + 3_600_000)

    await pipe.push(view(old, id="first"))
    assert await applied_entries(partition) == 1
    monkeypatch.setattr(owner_cache, "look_up", an_hour_later)
    await pipe.push(view(old, id="second"))
    assert await applied_entries(partition) == 1
    [hour] = [key async for key in pipe.client.scan_iter("sd:{0}:hour:*")]
    assert 49 * 3_600 - 60 < await pipe.client.ttl(hour) <= 49 * 3_600


async def test_rejected_events_leave_no_bucket_in_the_cache(pipe: Pipeline) -> None:
    """However many events are of another kind than their workflow, or for sealed hours, the owner's memory stays bounded."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    hours = [now.replace(minute=30) - timedelta(hours=count) for count in range(36 * 24, 37 * 24)]
    await pipe.push(view(now), [view(at) for at in hours])
    assert await applied_entries(partition) == 2
    assert len(cached_buckets(partition)) == len(hours) + 1
    partition._owner_cache.drop_records()
    await pipe.client.delete(*[key async for key in pipe.client.scan_iter("sd:{0}:hour:*")])
    for step in (timedelta(minutes=5), timedelta(hours=5)):
        await pipe.push([interaction(now - step * count, workflow=PAGES) for count in range(800)])
    await pipe.push([view(at, "v2") for at in hours])
    assert await applied_entries(partition) == 3
    assert len(await pipe.letters()) == 1_600 + len(hours)
    assert cached_buckets(partition) == []


def cached_buckets(partition: Partition) -> list[FinestBucket]:
    """The finest buckets in the cache of an owner."""
    organizations = partition._owner_cache._organizations.values()
    workflows = [workflow for organization in organizations for workflow in organization.workflows.values()]
    return [bucket for each in workflows for bucket in (*each.five_minutes.values(), *each.coarse.values())]


async def test_organizations_of_a_zone_share_its_slots(pipe: Pipeline) -> None:
    """An import into many organizations has the slots of its time once, not once for each of them."""
    now = await pipe.now()
    partition = await owner(pipe, "owner")
    for number in range(3):
        organization = f"10000000-0000-4000-8000-00000000000{number}"
        await pipe.push(interaction(now, organization_id=organization), partition=0)
    assert await applied_entries(partition) == 3
    organizations = partition._owner_cache._organizations
    assert len(organizations) == 3
    assert len({id(organization.slots) for organization in organizations.values()}) == 1
