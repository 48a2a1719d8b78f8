"""Readings under way while an adoption goes on: their sketches are read some or all steps later than their counts."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from sidedata.calendar.reporting import zone_of
from sidedata.ingest.zones import switch
from sidedata.reads.workflow_parts import Reading, read
from sidedata.redis.gateway import Gateway
from sidedata.schema.bucket_fields import BucketField
from sidedata.settings import Settings
from sidedata.writes import swap
from sidedata.writes.commit import Ownership
from tests.support.constants import ORG
from tests.support.events import POPUP
from tests.support.pipeline import pipeline
from tests.support.redis.users import as_user
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life


class SlowGateway:
    """A gateway that pauses once between a script and the reads of sketches that follow it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.reached = asyncio.Event()
        self.released = asyncio.Event()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the gateway's own
        return getattr(self._gateway, name)

    async def poll(self, *commands: Any) -> Any:  # noqa: ANN401 - the gateway's own
        """Wait for the release first."""
        self.reached.set()
        await self.released.wait()
        return await self._gateway.poll(*commands)


@pytest.mark.parametrize("steps", [1, 4, 16, 1000])
async def test_a_reading_under_way_is_of_one_cut(redis_url: str, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Begun before each of the steps and continued some later, or after the last, it has the days of the table that it names."""
    monkeypatch.setattr(switch, "_CHUNK", 3)
    run_step = swap.run_step
    readings: list[tuple[SlowGateway, asyncio.Task[Reading]]] = []
    fields: list[BucketField] = []
    begin: Callable[[], Awaitable[None]]

    async def run(gateway: Gateway, settings: Settings, ownership: Ownership, run: str) -> int | str:
        await begin()
        remaining = await run_step(gateway, settings, ownership, run)
        for slow, _ in readings[: -steps + 1 or None] if remaining else readings:
            slow.released.set()
        return remaining

    monkeypatch.setattr(swap, "run_step", run)
    async with pipeline(redis_url, partitions=1) as pipe:
        service = as_user("service", pipe.client)

        def reading(gateway: object) -> Awaitable[Reading]:
            at = (cast("Gateway", gateway), pipe.installation, ORG, POPUP)
            return read(*at, revision=None, names=None, missing=fields, open_fields=(), goals=())

        async def begin_one() -> None:
            slow = SlowGateway(service)
            readings.append((slow, asyncio.ensure_future(reading(slow))))
            await slow.reached.wait()

        begin = begin_one
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=16, each=40))
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        candidates = [case.rulebook(one, pipe.settings).candidates(NAME, int(now.timestamp()))[0] for one in (OLD, NEW)]
        days = [now - timedelta(days=days) for days in range(14, 9, -1)]
        starts = [{zone_of(rules).day(int(day.timestamp())).start for day in days} for rules in candidates]
        fields += [BucketField("day", start, "goals") for start in sorted(set.union(*starts))]
        before = await reading(service)
        await pipe.drain()
        after = await reading(service)
        assert len(readings) > 30
        assert len(after.data) == len(fields)
        seen = set()
        for _, task in readings:
            done = await task
            is_new = done.rules == after.rules
            seen.add(is_new)
            assert is_new or done.rules == before.rules
            expected = after if is_new else before
            for field in fields:
                if field.start in starts[is_new]:
                    assert done.data[field] == expected.data[field], (is_new, field)
        assert True in seen
