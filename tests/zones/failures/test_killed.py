"""Adoptions whose worker is killed at any point, with restarts of Redis on its append-only file: they are finished, and once."""

import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sidedata import failpoints
from sidedata.schema import keys
from tests.support.events import PAGES
from tests.support.pipeline import pipeline
from tests.support.redis.servers import RedisServer
from tests.support.waiting import TIME_FACTOR, eventually
from tests.support.zones.files import HOUR
from tests.support.zones.processes import worker
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life

SECONDS = 20.0
STEPS = 6  # one for new keys, the table, the shared days, their end, the old keys, the shadow
ADOPTED = "release 2098b after 2098a"
CUT = [*failpoints.REBUILD_POINTS[:2], *(f"after_swap_step:{number}" for number in range(1, STEPS + 1)), "after_swap"]


class Scene:
    """An installation with three weeks of events by the old rules, on a Redis that keeps everything."""

    def __init__(self, world: ZoneWorld, case: Case, server: RedisServer, logs: Path) -> None:
        self.world, self.case, self.server = world, case, server
        self.logs = logs
        self.new = case.folder(NEW)

    async def restart(self) -> None:
        """Kill Redis and start it again."""
        self.server.kill()
        self.server.start()
        pipe = self.world.pipe
        await pipe.client.connection_pool.disconnect()

        async def answers() -> bool:
            day = self.world.now.date()
            return (await pipe.ask(PAGES, f"{day}", f"{day + timedelta(days=1)}")).status == 200

        await eventually(answers, SECONDS, "the service has found Redis again")

    async def check_old_or_new(self) -> bool:
        """Hold all answers against the rules that the record holds; true if these are the new ones."""
        is_new = (await self.world.rules()).release == NEW
        await self.world.check(self.case.new if is_new else self.case.old)
        return is_new

    async def adopted(self) -> bool:
        """Tell if the rules are adopted and no swap is left."""
        left = await self.world.pipe.client.hexists(keys.keyspace(0).cursor, "swap")
        return not left and (await self.world.rules()).release == NEW

    async def check_end(self, logs: str) -> None:
        """Hold the end against brute force; what a dead worker had not finished expires."""
        assert logs.count(ADOPTED) <= 1, "adopted once"
        assert "recut" not in await self.world.record()
        await self.world.check(self.case.new)
        client = self.world.pipe.client
        assert all([await client.ttl(key) > 0 async for key in client.scan_iter(match="sd:*:rebuild:*")])


@pytest.fixture
async def scene(
    private_server: Callable[..., RedisServer], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    """Days differ from 12 days ago on, or, as a parameter says, 30 days ahead."""
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    async with pipeline(server.url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, getattr(request, "param", 12), -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=20, each=4))
        yield Scene(world, case, server, tmp_path)


@pytest.mark.parametrize("point", CUT)
async def test_a_killed_worker_leaves_an_adoption_that_is_finished_once(scene: Scene, point: str) -> None:
    """SIGKILL at the point, then a restart of Redis: old or new, never a mixture; the next worker brings the new answers."""
    point = point if ":" in point else f"{point}:1"
    pipe = scene.world.pipe
    async with worker(pipe, scene.new, scene.logs / "1", point) as first:
        assert await first.gone(SECONDS * TIME_FACTOR), "it comes to the point"
        assert first.status == -signal.SIGKILL, first.log()
    was_new = await scene.check_old_or_new()
    await scene.restart()
    assert await scene.check_old_or_new() == was_new
    async with worker(pipe, scene.new, scene.logs / "2") as second:
        await eventually(scene.adopted, SECONDS, "the rules are adopted")
        await scene.check_end(first.log() + second.log())


@pytest.mark.parametrize("point", ["before_swap:1:stop", "after_swap_step:2:stop", "after_swap_step:3:stop"])
async def test_a_restart_of_redis_in_the_midst_of_an_adoption(scene: Scene, point: str) -> None:
    """The worker finds its connections gone and finishes all the same."""
    async with worker(scene.world.pipe, scene.new, scene.logs / "1", point) as alone:
        assert await alone.frozen(SECONDS * TIME_FACTOR), alone.log()
        was_new = await scene.check_old_or_new()
        await scene.restart()
        assert await scene.check_old_or_new() == was_new
        alone.signal(signal.SIGCONT)
        await eventually(scene.adopted, SECONDS, "the rules are adopted")
        await scene.check_end(alone.log())


@pytest.mark.parametrize("scene", [-30], indirect=True)
@pytest.mark.parametrize("point", failpoints.ADOPTION_POINTS)
async def test_a_killed_worker_and_a_table_that_changes_no_day(scene: Scene, point: str) -> None:
    """Rules that differ in the future alone: SIGKILL around the one write, a restart of Redis, and the next worker."""
    async with worker(scene.world.pipe, scene.new, scene.logs / "1", f"{point}:1") as first:
        assert await first.gone(SECONDS * TIME_FACTOR)
        assert first.status == -signal.SIGKILL, first.log()
    await scene.restart()
    assert await scene.check_old_or_new() == (point == "after_rules")
    async with worker(scene.world.pipe, scene.new, scene.logs / "2") as second:
        await eventually(scene.adopted, SECONDS, "the rules are adopted")
        await scene.check_end(first.log() + second.log())
