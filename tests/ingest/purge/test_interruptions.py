"""Purges that are killed, and purges while events flow."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from sidedata.ingest.ownership import lease
from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from sidedata.settings import Settings
from tests.support.constants import ORG, OTHER_ORG, SECRET
from tests.support.events import (
    POPUP,
    started,
)
from tests.support.pipeline import pipeline
from tests.support.processes.workers import KilledError
from tests.support.purges import (
    NEIGHBOUR,
    SESSION,
    VISITOR,
    assert_nothing_left,
    broken,
    everything,
    life,
    purge,
)
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.waiting import eventually


async def test_killed_anywhere_and_repeated(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that dies before any of its steps, its lease never given back, is finished by the next one."""
    renew, release = lease.renew, lease.release
    step = 0
    while True:
        step += 1
        left = step

        async def dying(*arguments: Any) -> bool:  # noqa: ANN401 - those of `renew`
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            return await renew(*arguments)

        async def never(*_: object) -> None:
            return

        async with pipeline(redis_url, partitions=2) as pipe:
            await pipe.client.flushdb()
            for partition in range(2):
                await pipe.client.delete(keys.keyspace(partition).lease)
        async with pipeline(redis_url, partitions=2) as pipe:
            now = await pipe.now()
            await pipe.apply(life(now, ORG, VISITOR, SESSION), broken(now, ORG, VISITOR)[0])
            await pipe.push(*life(now, ORG, VISITOR, SESSION)[:3])
            monkeypatch.setattr(lease, "renew", dying)
            monkeypatch.setattr(lease, "release", never)
            with suppress(KilledError):
                await purge(pipe).run()
            monkeypatch.setattr(lease, "renew", renew)
            monkeypatch.setattr(lease, "release", release)
            await purge(pipe).run()
            left_over = [key for key, value in (await everything(pipe.client)).items() if ORG.encode() in key + value]
            assert left_over == []
            assert VISITOR.encode() not in b"".join((await everything(pipe.client)).values())
        if left > 0:  # it ended by itself
            assert step > 5
            return


async def test_while_traffic_flows(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """A worker runs, a neighbour in the same partition sends: it loses nothing, and the purged organization is gone.

    The worker's log tells of the purges, but warns of nothing.
    """
    caplog.set_level(logging.INFO, "sidedata")
    async with pipeline(server.url, partitions=1, lease_ms=1000) as pipe:
        now = await pipe.now()
        stop = asyncio.Event()
        settings = Settings(redis_url=server.url, secret=SECRET, partitions=1, lease_ms=1000)
        working = asyncio.create_task(Worker(as_user("worker", pipe.client), pipe.installation, settings).run(stop))
        sent = 0
        purges = 0

        async def sending() -> None:
            nonlocal sent
            while purges < 3:
                raws = [started(now, f"{NEIGHBOUR}-{sent + n}", organization_id=OTHER_ORG) for n in range(20)]
                await pipe.push([*raws, *life(now, ORG, VISITOR, SESSION)], *raws[:0])
                sent += 20
                await asyncio.sleep(0.005)

        traffic = asyncio.create_task(sending())
        while purges < 3:
            before = sent
            await eventually(lambda before=before: sent >= before + 200)  # type: ignore[misc]
            await purge(pipe).run()
            purges += 1
        await traffic
        await purge(pipe).run()
        await eventually(pipe.is_drained)
        stop.set()
        await working
        logged = [
            (record.levelno, record.getMessage()) for record in caplog.records if "partition" in record.getMessage()
        ]
        assert {level for level, _ in logged} == {logging.INFO}, logged
        assert any("a command took partition 0" in text for _, text in logged)
        day = timedelta(days=1)
        figures = (await pipe.ask(POPUP, (now - day).isoformat(), (now + day).isoformat(), OTHER_ORG)).json
        assert figures["started_workflows_count"] == sent
        await assert_nothing_left(server, pipe.client, ORG, VISITOR, SESSION)
