"""Adoption and retention: hours that have gone, hours that stay sealed, and the expiries of what was cut again."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, view
from tests.support.pipeline import pipeline
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life, old_scene, seam_of


def start_of(key: bytes) -> datetime:
    """The start of a bucket."""
    return datetime.fromisoformat(key.decode().split(":", 5)[5].partition("Z")[0] + "+00:00")


@pytest.mark.holds("1.1.6")
async def test_days_without_their_hours_keep_their_cut(redis_url: str) -> None:
    """Where the retention of hours was raised lately, promised hours are gone: the seam lies behind them, no count is lost."""
    async with old_scene(redis_url, 27) as (world, case):
        pipe, now = world.pipe, world.now
        await world.send(life(now, days=60))
        gone = now - timedelta(days=15)
        async for raw in pipe.client.scan_iter(match=f"sd:{{0}}:hour:{ORG}:*"):
            if start_of(raw) < gone.astimezone(UTC):
                await pipe.client.delete(raw)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        rules = await world.rules()
        assert rules.release == NEW
        assert rules.since is not None
        assert gone.date() <= rules.since <= gone.date() + timedelta(days=3)
        zone = await seam_of(world, case)
        world.oracle.rules = lambda _: zone
        for workflow in (PAGES, POPUP):
            span = f"{now.date() - timedelta(days=50)}", f"{now.date() + timedelta(days=1)}"
            reply = await pipe.ask(workflow, *span)
            start, end = map(datetime.fromisoformat, span)
            expected, _ = world.oracle.answer(ORG, workflow, start, end, await pipe.now())
            name = "unique_sessions_count" if workflow == PAGES else "started_workflows_count"
            assert abs(reply.json[name] - expected[name]) <= expected[name] * 0.03 + 2


async def test_recut_days_and_their_hours_live_long_enough(redis_url: str) -> None:
    """Days live 400 days, hours 35 days after the end of their new day; a sealed hour stays sealed."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 20, HOUR, HOUR, 0)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=45))
        sealed = now - timedelta(days=40)
        sealed_hour = sealed.strftime("%Y-%m-%dT%H:00Z")
        await world.send([view(sealed, "sealed", id="sealed")])
        async for raw in pipe.client.scan_iter(match=f"sd:{{0}}:hour:{ORG}:{PAGES}:{sealed_hour}:*"):
            await pipe.client.delete(raw)
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        await pipe.apply(view(sealed, "late", id="late"))
        assert await pipe.reasons() == ["too_old"]
        rules = await world.rules()
        seen = 0
        async for raw in pipe.client.scan_iter(match="sd:{0}:*"):
            key = raw.decode()
            parts = key.split(":", 5)
            if parts[2] not in ("hour", "day") or ORG not in key:
                continue
            start = start_of(raw)
            if now - start > timedelta(days=19):
                continue
            seen += 1
            local = start.astimezone(case.new)
            end = datetime(local.year, local.month, local.day, tzinfo=UTC) + timedelta(days=1)
            kept = timedelta(days=35 if parts[2] == "hour" else 400)
            assert await pipe.client.ttl(raw) >= (end + kept - now).total_seconds() - 60, key
        assert seen > 100
        assert rules.release == NEW
