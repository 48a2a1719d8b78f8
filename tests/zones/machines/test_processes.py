"""Workers and services as processes with two rule sets: each answer is by the table of the record, whatever machine gives it."""

from functools import partial
from pathlib import Path

import pytest

from tests.support.pipeline import pipeline
from tests.support.waiting import eventually
from tests.support.zones.files import HOUR
from tests.support.zones.processes import service, worker
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life

SECONDS = 20.0


@pytest.mark.holds("1.1.1")
async def test_processes_with_two_rule_sets_agree(redis_url: str, tmp_path: Path) -> None:
    """Old and new workers in turn, an old and a new service side by side: every question, before and after the adoption."""
    async with pipeline(redis_url, partitions=2) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        old, new = case.folder(OLD), case.folder(NEW)

        async def settle() -> None:
            await eventually(pipe.is_drained, SECONDS, "all events are applied")

        async def stored(release: str) -> bool:
            return (await world.rules()).release == release

        world.settle = settle
        async with service(pipe, old) as old_service, service(pipe, new) as new_service:

            async def check(release: str) -> None:
                for http in (old_service, new_service):
                    pipe.http = http
                    await world.check(case.old if release == OLD else case.new)

            async with worker(pipe, old, tmp_path / "1"):
                # A folder is believed once its files are a few seconds old.
                await eventually(partial(stored, OLD), SECONDS, "the first rules are stored")
                await world.send(life(now, days=40, each=6))
            assert await stored(OLD)
            await check(OLD)
            async with worker(pipe, new, tmp_path / "2"):
                await eventually(partial(stored, NEW), SECONDS, "the rules are adopted")
            await check(NEW)
            async with worker(pipe, old, tmp_path / "3"):  # its machine was not updated; late and live events come
                await world.send(life(await pipe.now(), days=20, seed=2, each=4))
            assert await stored(NEW)
            await check(NEW)
            assert world.tally.nine_in_ten()
