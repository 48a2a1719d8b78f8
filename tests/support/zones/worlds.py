"""Three months of events in a zone whose rules change, questions about them, and the answers held against the oracle's."""

import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from sidedata.calendar.reporting import stored_rules
from sidedata.calendar.rules import ZoneRules
from sidedata.calendar.sources import ZoneSources
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.schema import keys
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.events import GOAL, GOAL_2, PAGES, POPUP, bought, interaction, reached, started, triggered, view
from tests.support.oracle.compare import Tally
from tests.support.oracle.oracle import Oracle
from tests.support.oracle.replay import check
from tests.support.pipeline import Pipeline, pipeline
from tests.support.zones.files import HOUR, Changes, SeamZone, made_zone, zone_bytes, zone_folder

NAME = "America/Vancouver"
OLD, NEW = "2098a", "2098b"  # newer than any release that this machine may have


class Case:
    """A zone by two releases; `days` ago, at noon, in UTC, the offset `first` becomes `old` by one and `new` by the other."""

    def __init__(self, now: datetime, days: int, first: int, old: int, new: int) -> None:
        at = (now - timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)
        changes: tuple[Changes, Changes] = ([], [])
        for made, offset in zip(changes, (old, new), strict=True):
            made.append(("2020-01-01T00:00", first))
            if offset != first:
                made.append((at.strftime("%Y-%m-%dT%H:%M"), offset))
        self.first = first + HOUR
        self.old_changes, self.new_changes = changes
        self.old = made_zone(self.first, changes[0], NAME)
        self.new = made_zone(self.first, changes[1], NAME)

    def folder(self, release: str) -> Path:
        """A folder of zone files, as PYTHONTZPATH names one."""
        changes = self.old_changes if release == OLD else self.new_changes
        return _folder(release, zone_bytes(self.first, changes))

    def rulebook(self, release: str, settings: Settings) -> Rulebook:
        """A worker's zone data: one folder of a release."""
        changes = self.old_changes if release == OLD else self.new_changes
        return rulebook_of(release, zone_bytes(self.first, changes), settings)

    def both_releases(self, settings: Settings) -> Rulebook:
        """A worker with the newer release in the package and the older one in the system's files."""
        sources = ZoneSources(self.folder(NEW), [self.folder(OLD)])
        sources.data(datetime.now(UTC).timestamp() + 60)
        return Rulebook(settings, sources)


@cache
def _folder(release: str, zone: bytes) -> Path:
    """A folder of one zone, made once for all tests: a process takes ten seconds to trust files that have just changed."""
    return zone_folder(Path(tempfile.mkdtemp(prefix="zones")), release, {NAME: zone})


def rulebook_of(release: str, zone: bytes, settings: Settings) -> Rulebook:
    """The rules of a worker whose zone data are one folder with one zone."""
    sources = ZoneSources(None, [], [_folder(release, zone)])
    sources.data(datetime.now(UTC).timestamp() + 60)  # long after the folder was written
    return Rulebook(settings, sources)


def life(now: datetime, *, days: int = 80, seed: int = 1, each: int = 9) -> list[bytes]:
    """Events of all kinds on every day; many near midnights of zones in the west of UTC."""
    dice = random.Random(seed)
    raws: list[bytes] = []
    for day in range(days):
        for number in range(each):
            at = now - timedelta(days=day, minutes=dice.randrange(1440))
            if number % 3 == 0:
                at = at.replace(hour=(6 + dice.randrange(4)) % 24)
            if at > now:
                continue
            visitor = f"v{dice.randrange(40)}"
            name = f"{seed}-{day}-{number}"
            raws += [view(at, visitor, f"s{name}", id=f"{name}a"), started(at, visitor, id=f"{name}b")]
            raws += [interaction(at, visitor, id=f"{name}c"), triggered(at, visitor, GOAL, id=f"{name}d")]
            if number % 2:
                raws += [
                    reached(at, visitor, GOAL_2, id=f"{name}e"),
                    bought(at, "19.99", visitor=visitor, id=f"{name}f"),
                ]
    return raws


def questions(now: datetime) -> list[tuple[str, str, str, str]]:
    """Whole local days, rolling windows and odd rims, of both workflows."""
    today = now.date()
    spans = [(f"{today - timedelta(days=n)}", f"{today + timedelta(days=1)}") for n in (0, 1, 6, 29, 30, 45, 79)]
    spans += [
        (f"{today - timedelta(days=n)}", f"{today - timedelta(days=n - 1)}") for n in (3, 12, 20, 27, 28, 33, 34, 36)
    ]
    spans += [((now - timedelta(hours=n)).isoformat(), now.isoformat()) for n in (1, 24, 168, 720)]
    return [(ORG, workflow, start, end) for workflow in (PAGES, POPUP) for start, end in spans]


class ZoneWorld:
    """Events that go to the pipeline and to an oracle."""

    def __init__(self, pipe: Pipeline, now: datetime) -> None:
        self.pipe = pipe
        self.now = now
        self.oracle = Oracle(zones={ORG: NAME}, partitions=pipe.installation.partitions)
        self.tally = Tally()
        self.settle: Callable[[], Awaitable[object]] = pipe.drain  # applies what was sent

    async def send(self, raws: list[bytes], chunk: int = 400) -> None:
        """Send events, let a worker apply them, and tell the oracle."""
        for first in range(0, len(raws), chunk):
            part = raws[first : first + chunk]
            ids = await self.pipe.push(part)
            now = await self.pipe.now()
            for place, raw in enumerate(part):
                entry_ms = int(ids[0].partition("-")[0])
                partition = self.pipe.partition(ORG)
                self.oracle.arrive(raw, partition=partition, entry_ms=entry_ms, entry=f"{ids[0]}/{place}", now=now)
        await self.settle()

    async def record(self) -> Mapping[str, str]:
        """The organization's record."""
        stored = await self.pipe.client.hgetall(keys.keyspace(self.pipe.partition(ORG)).organization(ORG))
        return {name.decode(): value.decode() for name, value in stored.items()}

    async def rules(self) -> ZoneRules:
        """The stored table."""
        record = await self.record()
        rules = stored_rules(record["timezone"], record.get("rules"))
        assert rules is not None, record
        return rules

    async def check(
        self, zone: tzinfo, workflows: Collection[str] = (PAGES, POPUP), besides: datetime | None = None
    ) -> None:
        """Hold the answers to all questions about the workflows against the oracle by these rules.

        Args:
            besides: questions about intervals that touch its day are left out.
        """
        self.oracle.rules = lambda _: zone
        for question in questions(self.now):
            if question[1] not in workflows:
                continue
            if besides is not None and question[2][:10] <= f"{besides.date()}" <= question[3][:10]:
                continue
            before = await self.pipe.now()
            reply = await self.pipe.ask(*question[1:], question[0])
            try:
                check(self.oracle, question, reply, before, self.tally)
            except AssertionError:
                check(self.oracle, question, reply, await self.pipe.now(), self.tally)


async def seam_of(world: ZoneWorld, case: Case) -> tzinfo:
    """The rules that an organization has after an adoption with a seam: the old ones before it, the new ones from it on."""
    stored = await world.rules()
    newest = case.rulebook(NEW, world.pipe.settings).candidates(NAME, int(world.now.timestamp()))[0]
    ends = [end for _, end in stored.differences(newest)]
    return SeamZone(case.old, case.new, ends[-1]) if ends else case.new


async def day_buckets(pipe: Pipeline) -> dict[str, object]:
    """All day keys with their content: hashes as they are, sketches by their estimate."""
    prefix = f"{keys.keyspace(pipe.partition(ORG)).prefix}day:"
    found: dict[str, object] = {}
    async for name in pipe.client.scan_iter(match=f"{prefix}*", count=1000):
        key = name.decode()
        if key.endswith("counts"):
            found[key] = {field: int(value) for field, value in (await pipe.client.hgetall(key)).items()}
        else:
            found[key] = await pipe.client.pfcount(key)
    return found


@asynccontextmanager
async def old_scene(redis_url: str, days: int) -> AsyncIterator[tuple[ZoneWorld, Case]]:
    """A world cut by the older release, in which the offset goes from -7 to -8 hours `days` ago; in the newer one it stays."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, days, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        yield ZoneWorld(pipe, now), case
