"""Rebuilds while events flow, owners change and processes die: each workflow has its old counters or its new ones."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from sidedata.errors import LeaseLostError, StopError
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.ownership import lease
from sidedata.ingest.purge.purge import Purge
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.ingest.worker.worker import Worker
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, started
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.workers import killed_at
from tests.support.rebuilds import answers, assert_no_shadow, assert_shadows_expire, life, lines, rebuild, spoil
from tests.support.redis.users import as_user
from tests.support.waiting import eventually


async def test_traffic_that_flows_counts_once(redis_url: str) -> None:
    """A worker runs and a producer sends, archiving each event before it does: after rebuilds in between nothing is amiss."""
    async with pipeline(redis_url, partitions=1, lease_ms=1000) as pipe:
        now = await pipe.now()
        stop = asyncio.Event()
        working = asyncio.create_task(
            Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings).run(stop)
        )
        archive: list[bytes] = []
        rebuilds = 0

        async def sending() -> None:
            while rebuilds < 3:
                raws = [started(now, f"v{len(archive) + n}", id=f"{len(archive) + n}") for n in range(20)]
                archive.extend(raws)
                await pipe.push(raws, [started(now, f"w{len(archive)}", organization_id=OTHER_ORG)])
                await asyncio.sleep(0.005)

        async def journal() -> None:
            nonlocal rebuilds
            while rebuilds < 3:
                before = len(archive)
                await eventually(lambda before=before: len(archive) >= before + 200)  # type: ignore[misc]
                # A generator: what is archived while the rebuild reads is read too.
                source = (Line(n, archive[n], organization=ORG) for n in iter(_counter(archive)))
                await Rebuild(
                    as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, source, dry=False
                ).run()
                rebuilds += 1

        await asyncio.gather(sending(), journal())
        await eventually(pipe.is_drained)
        stop.set()
        await working
        day = timedelta(days=1)
        span = (now - day).isoformat(), (now + day).isoformat()
        assert (await pipe.ask(POPUP, *span)).json["started_workflows_count"] == len(archive)
        assert (await pipe.ask(POPUP, *span, OTHER_ORG)).json["started_workflows_count"] == len(archive) // 20
        assert await pipe.reasons() == []


def _counter(archive: list[bytes]) -> Iterator[int]:
    """Places of the archive, for as long as it grows."""
    n = 0
    while n < len(archive):
        yield n
        n += 1


@pytest.mark.parametrize(
    ("place", "begun"),
    [
        ("after_plan", False),
        ("after_commit", False),
        ("before_swap", False),
        ("after_swap_begin", True),
        ("after_swap_step", True),
        ("after_swap", True),
    ],
)
async def test_killed_anywhere_old_or_new(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, place: str, *, begun: bool
) -> None:
    """Wherever it dies, each workflow answers as before or as after, and all alike once somebody owns the partition."""

    async def never(*_: object) -> None:
        return

    monkeypatch.setattr(Rebuild, "_drop", never)
    monkeypatch.setattr(lease, "release", never)
    steps = 0
    while True:
        steps += 1
        async with pipeline(redis_url, partitions=2, lease_ms=60_000) as pipe:
            now = await pipe.now()
            raws = life(now, size=8)
            await pipe.apply(raws)
            new = await answers(pipe)
            await spoil(pipe)
        async with pipeline(redis_url, partitions=2, lease_ms=60_000) as pipe:
            old = await answers(pipe)
            assert all(before != after for before, after in zip(old, new, strict=True))
            with killed_at(place, steps) as death:
                await rebuild(pipe, raws, batch_events=30).run()
            between = await answers(pipe)
            for mixed, before, behind in zip(between, old, new, strict=True):
                assert mixed in (before, behind), steps
            if not death.happened:
                assert steps > 2 or place not in ("after_commit", "after_swap_step")
                assert between == new
                return
            await pipe.drain()
            assert await answers(pipe) == (new if begun else old), steps
            await assert_shadows_expire(pipe.client)
            await pipe.client.flushdb()


async def test_it_ends_though_a_cancellation_is_lost(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Redis client may swallow the cancellation of the lease's renewals; the rebuild ends all the same."""

    async def swallowing(*_: object) -> bool:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(lease, "renew", swallowing)
    async with asyncio.timeout(30):
        assert (await rebuild(pipe, life(await pipe.now()), lease_ms=30).run()).swapped


@pytest.mark.parametrize("what", ["purge", "rebuild", "zone", "workflow"])
async def test_what_changes_meanwhile_stops_it(pipe: Pipeline, what: str) -> None:
    """Another owner, or a registration that the shadow was not built by: the swap doesn't begin."""
    now = await pipe.now()
    await pipe.apply(life(now)[:50])

    async def meanwhile() -> None:
        if what == "purge":
            await Purge(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, None, dry=False).run()
        elif what == "rebuild":
            await rebuild(pipe, life(now)[:50]).run()
        elif what == "zone":
            await pipe.organization("Asia/Kathmandu")
        else:
            await pipe.workflow(POPUP, "interaction")

    loop = asyncio.get_running_loop()

    def source() -> Iterator[Line]:
        # In the thread that reads: let the loop do it, and wait.
        yield from lines(life(now)[:100])
        asyncio.run_coroutine_threadsafe(meanwhile(), loop).result(20)
        yield from lines(life(now)[100:])

    with pytest.raises((StopError, LeaseLostError), match=r"run (it|the rebuild) again"):
        await Rebuild(
            as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, source(), dry=False
        ).run()
    await assert_no_shadow(pipe.client)
    span = (now - timedelta(days=300)).isoformat(), now.isoformat()
    assert (await pipe.ask(PAGES, *span)).status == (404 if what == "purge" else 200)
