"""Purges and rebuilds that take the partition in the midst of an adoption: it is finished, and nothing is left of it."""

import io
from collections.abc import Awaitable, Callable

import pytest

from sidedata import failpoints
from sidedata.errors import LeaseLostError
from sidedata.ingest.archive.lines import read_lines
from sidedata.ingest.ownership import lease
from sidedata.ingest.purge.purge import Purge
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.ingest.zones import switch
from sidedata.redis.gateway import Gateway
from sidedata.settings import Settings
from sidedata.writes import swap
from sidedata.writes.commit import Ownership
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, day_buckets, life

# Before the first step, in the moves, at the table, among the shared days, in the deletions.
STEPS = [1, 4, 24, 27, 34]


async def adopt_with(
    pipe: Pipeline, case: Case, monkeypatch: pytest.MonkeyPatch, at: int, command: Callable[[], Awaitable[object]]
) -> int:
    """Adopt in steps of three keys; another owner runs the command before one of the steps. Returns the number of steps."""
    run_step, count = swap.run_step, 0
    monkeypatch.setattr(switch, "_CHUNK", 3)

    async def run(gateway: Gateway, settings: Settings, ownership: Ownership, run: str) -> int | str:
        nonlocal count
        count += 1
        if count == at:
            await command()
        return await run_step(gateway, settings, ownership, run)

    monkeypatch.setattr(swap, "run_step", run)
    pipe.rulebook = case.rulebook(NEW, pipe.settings)
    with pytest.raises(LeaseLostError):
        await pipe.drain()
    monkeypatch.setattr(swap, "run_step", run_step)
    return count


async def prepare(pipe: Pipeline) -> tuple[ZoneWorld, Case, list[bytes]]:
    """Three weeks by the old rules; the worker that loses the partition may not release it."""
    await pipe.organization(NAME)
    now = await pipe.now()
    case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
    world = ZoneWorld(pipe, now)
    pipe.rulebook = case.rulebook(OLD, pipe.settings)
    raws = life(now, days=20, each=6)
    await world.send(raws)
    return world, case, raws


@pytest.mark.parametrize("at", STEPS)
async def test_a_purge_of_a_workflow_in_the_midst(redis_url: str, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Nothing of the workflow is left, and the other one has the answers of the new rules."""
    async with pipeline(redis_url, partitions=1) as pipe:
        world, case, _ = await prepare(pipe)
        operator = as_user("operator", pipe.client)
        purge = Purge(operator, pipe.settings, pipe.installation, ORG, PAGES, dry=False)
        await adopt_with(pipe, case, monkeypatch, at, purge.run)
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.check(case.new, workflows=(POPUP,))
        assert not [key async for key in pipe.client.scan_iter(match=f"*{PAGES}*")]
        assert (await pipe.ask(PAGES, "2026-01-01", "2026-01-02")).status == 404


@pytest.mark.parametrize("at", STEPS)
async def test_a_rebuild_in_the_midst(redis_url: str, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """It finishes the adoption and cuts by the table that it left."""
    async with pipeline(redis_url, partitions=1) as pipe:
        world, case, raws = await prepare(pipe)
        lines = read_lines(io.BytesIO(b"\n".join(raws)), 1)
        operator = as_user("operator", pipe.client)
        rebuild = Rebuild(operator, pipe.settings, pipe.installation, ORG, lines, dry=False)
        await adopt_with(pipe, case, monkeypatch, at, rebuild.run)
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.check(case.new)
        rebuilt = await day_buckets(pipe)
        await pipe.client.flushall()
    async with pipeline(redis_url, partitions=1) as fresh:
        await fresh.organization(NAME)
        fresh.rulebook = case.rulebook(NEW, fresh.settings)
        await ZoneWorld(fresh, world.now).send(raws)
        assert rebuilt == await day_buckets(fresh)


async def test_a_purge_after_a_kill(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that a killed worker built before the swap are purged, too."""

    class KilledError(Exception):
        """The death of the worker."""

    async def never(*_: object) -> None:
        return

    def dies(point: str) -> None:
        if point == "before_swap":
            raise KilledError

    async with pipeline(redis_url, partitions=1) as pipe:
        _, case, _ = await prepare(pipe)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        with monkeypatch.context() as patch:
            patch.setattr(lease, "release", never)
            patch.setattr(failpoints, "armed", dies)
            with pytest.raises(KilledError):
                await pipe.drain()
        assert [key async for key in pipe.client.scan_iter(match=f"*rebuild*{PAGES}*")]
        await Purge(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, None, dry=False).run()
        assert not [key async for key in pipe.client.scan_iter(match=f"*{ORG}*")]
