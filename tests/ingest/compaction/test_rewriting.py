"""Rewrites of buckets whose hours are in the sparse form: days that are cut again, and rebuilds."""

from datetime import datetime

from tests.support.compactions import SPARSE, answers, apply, busy_hour, encodings, hour, run_pass
from tests.support.pipeline import Pipeline, pipeline
from tests.support.rebuilds import rebuild
from tests.support.redis.servers import RedisServer
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld


async def test_days_are_cut_again_from_such_hours(redis_server: RedisServer) -> None:
    """The answers after an adoption are those of an adoption from dense sketches."""
    found: list[list[str]] = []
    now: datetime | None = None
    for with_compaction in (False, True):
        redis_server.flush()
        async with pipeline(redis_server.url, partitions=1) as pipe:
            now = now or await pipe.now()
            await pipe.organization(NAME)
            case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
            pipe.rulebook = case.rulebook(OLD, pipe.settings)
            await apply(pipe, [*busy_hour(hour(now, 3)), *busy_hour(hour(now, 4), 1_500)])
            if with_compaction:
                await run_pass(pipe)
                assert set((await encodings(pipe.client)).values()) == {SPARSE}
            pipe.rulebook = case.rulebook(NEW, pipe.settings)
            await pipe.drain()
            assert (await ZoneWorld(pipe, now).rules()).release == NEW
            found.append([body for _, _, body in await answers(pipe, now)])
    assert found[0] == found[1]


async def test_a_rebuild_finds_no_difference(pipe: Pipeline) -> None:
    """An archive of the same events holds the same numbers; after the swap, and after the next pass, the answers are the same."""
    now = await pipe.now()
    events = busy_hour(hour(now, 3))
    await apply(pipe, events)
    await run_pass(pipe)
    before = [body for _, _, body in await answers(pipe, now)]
    report = await rebuild(pipe, events, dry=True).run()
    assert [one.differing for one in report.workflows] == [0, 0]
    await rebuild(pipe, events).run()
    assert [body for _, _, body in await answers(pipe, now)] == before
    await run_pass(pipe)
    assert set((await encodings(pipe.client)).values()) == {SPARSE}
    assert [body for _, _, body in await answers(pipe, now)] == before
