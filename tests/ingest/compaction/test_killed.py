"""Workers as processes: they compact without being asked, and one that is killed in the midst loses nothing."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from sidedata import failpoints
from sidedata.schema import keys
from tests.support.compactions import DENSE, SPARSE, answers, apply, busy_hour, encodings, hour
from tests.support.constants import ORG
from tests.support.pipeline import pipeline
from tests.support.redis.servers import RedisServer
from tests.support.waiting import TIME_FACTOR, eventually
from tests.support.zones.processes import worker

SECONDS = 20.0


@pytest.mark.parametrize("point", failpoints.COMPACTION_POINTS)
async def test_a_killed_worker_loses_nothing(
    private_server: Callable[..., RedisServer], tmp_path: Path, point: str
) -> None:
    """SIGKILL before or after the write, a restart of Redis on its file, and the next worker, which applies a late event."""
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    async with pipeline(server.url, partitions=1) as pipe:
        now = await pipe.now()
        await apply(pipe, busy_hour(hour(now, 3)))
        before = await answers(pipe, now)
        async with worker(pipe, tmp_path, tmp_path / "1", f"{point}:1") as first:
            assert await first.gone(SECONDS * TIME_FACTOR), "it comes to the point"
            assert first.status == -signal.SIGKILL, first.log()
        server.kill()
        server.start()
        await pipe.client.connection_pool.disconnect()
        dense = list((await encodings(pipe.client)).values()).count(DENSE)
        assert dense == 5 if point == "before_compaction" else 0 < dense < 5
        assert await answers(pipe, now) == before
        cursor = keys.keyspace(pipe.partition(ORG)).cursor

        async def recorded() -> bool:
            return bool(await pipe.client.hexists(cursor, "compacted"))

        async with worker(pipe, tmp_path, tmp_path / "2") as second:
            await eventually(recorded, SECONDS, "the pass is complete")
            assert set((await encodings(pipe.client)).values()) == {SPARSE}
            assert await answers(pipe, now) == before
            await pipe.push(*busy_hour(hour(now, 3), 10_000, 100))
            await eventually(pipe.is_drained, SECONDS, "late events are applied")
            assert second.status is None, second.log()
        assert await answers(pipe, now) != before
