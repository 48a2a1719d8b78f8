"""Adoption by a worker whose Redis user lacks a right, as with the access rules of a version before: nothing is lost or mixed."""

import asyncio
import logging

import pytest

from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import connect
from tests.support.redis.users import login
from tests.support.waiting import eventually
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life

SECONDS = 20.0
USER, PASSWORD = "narrow", "x"


class Working:
    """A worker by the narrow user."""

    def __init__(self, pipe: Pipeline) -> None:
        self._client = connect(login(pipe.settings.redis_url, USER, PASSWORD), timeout=10)
        self._worker = Worker(self._client, pipe.installation, pipe.settings, rulebook=pipe.rulebook)
        self._stop = asyncio.Event()

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._worker.run(self._stop))

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._task
        await self._client.aclose()


@pytest.mark.parametrize("right", ["pfmerge", "rpush", "scan"])
async def test_a_missing_right(redis_url: str, caplog: pytest.LogCaptureFixture, right: str) -> None:
    """It is logged, events go on, answers are by the stored rules, and the release counts as adopted only once it is."""
    async with pipeline(redis_url, partitions=1) as pipe:
        rights = ("resetchannels", "~*", "+@all", f"-{right}")
        await pipe.client.execute_command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", *rights)
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=20, each=4))
        pipe.rulebook = case.rulebook(NEW, pipe.settings)

        def warned() -> bool:
            messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
            return any("newer rules of" in message and right in message for message in messages)

        async def compared() -> bool:
            return bool(await pipe.client.hget(keys.keyspace(0).cursor, "zones") == NEW.encode())

        async def settle() -> None:
            await eventually(pipe.is_drained, SECONDS, "events are applied all the same")

        async with Working(pipe):
            await eventually(warned, SECONDS, "the missing right is logged")
            world.settle = settle
            await world.send(life(await pipe.now(), days=2, seed=2, each=4))
        by_events = right == "scan"  # the owner looks at an organization of its own accord when it has events
        assert (await world.rules()).release == (NEW if by_events else OLD)
        await world.check(case.new if by_events else case.old)
        assert not await compared()

        await pipe.client.execute_command("ACL", "SETUSER", USER, "+@all")
        async with Working(pipe):
            await eventually(compared, SECONDS, "the rules are adopted")
        assert (await world.rules()).release == NEW
        await world.check(case.new)
        await pipe.client.execute_command("ACL", "DELUSER", USER)
