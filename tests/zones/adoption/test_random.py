"""Random releases in turn through the real pipeline: answers are those of brute force by the table in the record."""

import random
from datetime import UTC, datetime, tzinfo

import pytest

from sidedata.calendar.rules import ZoneRules
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.settings import Settings
from tests.support.pipeline import pipeline
from tests.support.zones.files import HOUR, made_zone, zone_bytes
from tests.support.zones.worlds import NAME, ZoneWorld, life, rulebook_of

DAY = 86400


class Releases:
    """Releases of one zone; all begin alike, and each has changes of its own within the days kept and just ahead.

    No change makes a date begin twice: at a change to earlier local time the clock has not passed midnight.
    """

    def __init__(self, dice: random.Random, now: datetime, *, half: bool) -> None:
        self._dice = dice
        self._now = int(now.timestamp())
        self._half = half
        self._first = dice.randint(-11, 13) * HOUR

    def _offset(self) -> int:
        return self._first + self._dice.randint(-1, 1) * HOUR // 2 if self._half else self._dice.randint(-11, 13) * HOUR

    def rulebook(self, release: str, settings: Settings) -> Rulebook:
        """A worker's zone data of a new release."""
        before, changes = self._first, list[tuple[str, int]]()
        for days in sorted(self._dice.sample(range(-2, 80), self._dice.randint(1, 3)), reverse=True):
            at = self._now - days * DAY - self._dice.randrange(24) * HOUR
            at -= (at + before) % HOUR
            after = self._offset()
            while (at + after) // DAY < (at + before - 1) // DAY:
                after = self._offset()
            changes.append((datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S"), after))
            before = after
        return rulebook_of(release, zone_bytes(self._first, changes), settings)


def zone_of_table(rules: ZoneRules) -> tzinfo:
    """A stored table as Python's own `zoneinfo` reads it."""
    changes = [
        (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S"), offset) for at, offset in rules.changes()
    ]
    return made_zone(rules.offsets[0], changes[1:], NAME)


@pytest.mark.parametrize("seed", range(6))
async def test_random_releases_in_turn(redis_url: str, seed: int) -> None:
    """Three releases, late and live events before, between and after them."""
    dice = random.Random(seed)
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        releases, world = Releases(dice, now, half=seed % 3 == 2), ZoneWorld(pipe, now)
        for number, release in enumerate(("2098a", "2098b", "2098c")):
            pipe.rulebook = releases.rulebook(release, pipe.settings)
            # The adoption comes before the events that wait; of the second release they are none.
            late = [] if number == 1 else life(await pipe.now(), days=(75, 0, 33)[number], seed=seed + number, each=4)
            await world.send(late)
            await pipe.drain()
            rules = await world.rules()
            assert rules.release == release
            await world.check(zone_of_table(rules))
        await world.send(life(await pipe.now(), days=30, seed=seed + 9, each=3))
        await world.check(zone_of_table(await world.rules()))
