"""Rebuilds: afterwards the counters are those of the archive and of what came since, whoever writes and whatever dies meanwhile."""

import asyncio
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest import lease
from ingest.archive import Line, read_lines
from ingest.purge import Purge
from ingest.rebuild import Rebuild
from ingest.worker import Worker
from store import failpoints, keys
from store.client import Client
from store.errors import LeaseLostError, StopError
from store.settings import Settings
from tests.support.constants import ORG, OTHER_ORG, SECRET
from tests.support.events import GOAL_2, PAGES, POPUP, POPUP_2, bought, interaction, reached, started, triggered, view
from tests.support.oracle.compare import Tally
from tests.support.oracle.oracle import Oracle
from tests.support.oracle.replay import Replay
from tests.support.oracle.worlds import WORKFLOWS, ZONES, World, worlds
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user


def lines(raws: Sequence[bytes]) -> Iterator[Line]:
    """An archive of these events."""
    return iter(Line(n, raw, organization=json.loads(raw)["organization_id"]) for n, raw in enumerate(raws))


def rebuild(
    pipe: Pipeline, raws: Sequence[bytes], *, dry: bool = False, timezone: str | None = None, **others: int
) -> Rebuild:
    """A rebuild of the one organization from these events."""
    values = {name: getattr(pipe.settings, name) for name in pipe.settings.__struct_fields__}
    chosen = Settings(**{**values, **others})
    return Rebuild(
        as_user("operator", pipe.client), chosen, pipe.installation, ORG, lines(raws), dry=dry, timezone=timezone
    )


def life(now: datetime, organization: str = ORG, *, size: int = 40) -> list[bytes]:
    """Events of all types and ages, of some visitors, with ids; seven for one of `size`."""
    raws: list[bytes] = []
    for n in range(size):
        of: dict[str, Any] = {"organization_id": organization, "visitor": f"v{n % 7}", "session": f"s{n % 11}"}
        at = now - timedelta(minutes=7 * n, days=(0, 3, 40, 200)[n % 4])
        raws += [
            view(at, **of, id=f"view {n}"),
            started(at, **of, id=f"started {n}"),
            interaction(at, **of, id=f"interaction {n}"),
            interaction(at, **of, workflow=POPUP_2, id=f"other interaction {n}"),
            triggered(at, **of, goal=GOAL_2, name=f"Goal {n % 3}", id=f"triggered {n}"),
            reached(at + timedelta(seconds=n), **of, id=f"reached {n}"),
            bought(at + timedelta(seconds=n), "19.99", **of, id=f"bought {n}"),
        ]
    return raws


async def answers(pipe: Pipeline, organization: str = ORG) -> list[str]:
    """All that is answered about an organization, over all and over the last hours."""
    now = await pipe.now()
    end = (now + timedelta(hours=1)).isoformat()
    found = []
    for workflow in (PAGES, POPUP, POPUP_2):
        for start in (now - timedelta(days=300), now - timedelta(days=2)):
            reply = await pipe.ask(workflow, start.isoformat(), end, organization)
            while reply.status == 503:  # the machine has other work
                reply = await pipe.ask(workflow, start.isoformat(), end, organization)
            found.append(reply.text)
    return found


async def read_anew(pipe: Pipeline) -> list[str]:
    """What a service answers that knows nothing yet."""
    async with pipeline(pipe.settings.redis_url, partitions=2) as other:
        return await answers(other)


async def everything(client: Client, match: str = "*") -> dict[bytes, bytes]:
    """All keys with their values; cursors, which count what is done, leases and remembered ids aside."""
    found = {}
    async for key in client.scan_iter(match=match, count=1000):
        if key.endswith((b":visitors", b":sessions")):
            sketch = await client.get(key)
            found[key] = sketch[:8] + sketch[16:]  # between them Redis keeps a count that was asked for
        elif not key.endswith((b":cursor", b":lease")) and b":ids:" not in key:
            found[key] = await client.dump(key)
    return found


async def spoil(pipe: Pipeline, organization: str = ORG) -> None:
    """Make counters of an organization wrong in every way: junk in them, some of them gone, names that are none."""
    dice = random.Random(1)
    partition = pipe.partition(organization)
    prefix = keys.prefix(partition)
    found = sorted([key async for key in pipe.client.scan_iter(match=f"{prefix}*:{organization}:*", count=1000)])
    for key in found:
        kind = key.decode().removeprefix(prefix).partition(":")[0]
        if kind in ("workflow", "changes", "visitor"):
            continue
        if dice.random() < 0.2:
            await pipe.client.delete(key)
        elif key.endswith(b":counts"):
            await pipe.client.hincrby(key, "started", 1000)
            await pipe.client.hincrby(key, f"affected:{POPUP}", 3)
        elif kind == "goal":
            await pipe.client.set(key, b"9999999999999999 Junk")
        else:
            await pipe.client.pfadd(key, *(f"junk {n}" for n in range(9)))
    new_year = 1_767_225_600  # 2026-01-01T00:00Z
    counts = f"{keys.bucket(partition, organization, POPUP, 'day', new_year)}counts"
    await pipe.client.hset(counts, "started", 5)
    await pipe.client.expire(counts, 1000)
    visitor = keys.visitor(partition, organization, "00ff")
    await pipe.client.hset(visitor, f"interaction:{POPUP}", "0 9999999999999999 9999999999999")
    await pipe.client.expire(visitor, 1000)


async def assert_no_shadow(client: Client) -> None:
    """Nothing is left of a rebuild but what it was for."""
    assert [key async for key in client.scan_iter(match="sd:*:rebuild:*")] == []
    assert [key async for key in client.scan_iter(match="sd:*:swap:*")] == []


@pytest.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """Two partitions; the organization is in a zone of its own."""
    async with pipeline(redis_url, partitions=2) as made:
        await made.organization("Asia/Kathmandu")
        yield made


async def test_wrong_counters_are_right_again(pipe: Pipeline) -> None:
    """Junk in, keys missing, names wrong: after a rebuild every answer is what it was, at once, and nobody else's has changed."""
    now = await pipe.now()
    await pipe.workflow(POPUP, "interaction")
    await pipe.apply(life(now), life(now))
    await pipe.apply(life(now, OTHER_ORG), organization=OTHER_ORG)
    right, theirs = await answers(pipe), await everything(pipe.client, f"*{OTHER_ORG}*")
    await spoil(pipe)
    # A new service reads what is wrong; the old one has yet to notice that there is something to read.
    async with pipeline(pipe.settings.redis_url, partitions=2) as other:
        assert await answers(other) != right
        report = await rebuild(pipe, [*life(now), *life(now)[:5], *life(now, OTHER_ORG)[:3]]).run()
        assert await answers(other) == right
    assert await answers(pipe) == right
    assert report.swapped
    assert (report.applied, report.duplicates, report.read.others) == (len(life(now)), 5, 3)
    assert any(one.differing for one in report.workflows)
    assert await everything(pipe.client, f"*{OTHER_ORG}*") == theirs
    await assert_no_shadow(pipe.client)
    again = await rebuild(pipe, life(now), dry=True).run()
    assert [one.differing for one in again.workflows] == [0, 0, 0]
    assert all(one.stored == one.rebuilt for one in again.workflows)


async def test_keys_are_those_of_an_import(pipe: Pipeline, private_server: Callable[..., Any]) -> None:
    """Names, values and lives are as if the archive had been sent to an installation where nothing was."""
    now = await pipe.now()
    await pipe.apply(life(now)[:60])
    await spoil(pipe)
    await rebuild(pipe, life(now), batch_events=50).run()
    async with pipeline(private_server().url, partitions=2) as fresh:
        await fresh.organization("Asia/Kathmandu")
        await fresh.apply(life(now))
        seen: Counter[bytes] = Counter()
        async for key in fresh.client.scan_iter(match=f"*:{ORG}*", count=1000):
            kind = key.split(b":")[2]
            if kind == b"changes":
                continue  # a log of what readers may know, which nobody does
            seen[kind] += 1
            lives = [await one.client.pttl(key) for one in (fresh, pipe)]
            assert abs(lives[0] - lives[1]) < 60_000, key
            if key.endswith(b":counts"):
                assert await fresh.client.hgetall(key) == await pipe.client.hgetall(key), key
            elif kind in (b"5min", b"hour", b"day"):
                assert await fresh.client.pfcount(key) == await pipe.client.pfcount(key), key
            elif kind == b"goal":
                assert await fresh.client.get(key) == await pipe.client.get(key), key
            elif kind == b"workflows":
                listed = [await one.client.zrange(key, 0, -1, withscores=True) for one in (fresh, pipe)]
                assert listed[0] == listed[1]
        for kind, number in seen.items():
            found = [key async for key in pipe.client.scan_iter(match=f"sd:*:{kind.decode()}:{ORG}*", count=1000)]
            assert len(found) == number, kind
        assert set(seen) > {b"5min", b"hour", b"day", b"goal", b"visitor"}


async def rebuilt(url: str, world: World, zones: Mapping[str, str], tally: Tally) -> None:
    """A world that happens, is spoilt, is rebuilt in these zones, and goes on; an oracle that saw nothing but the archives."""
    async with pipeline(url, partitions=world.partitions) as pipe:
        replay = Replay(pipe, world, tally)
        first = Oracle(zones=dict(world.zones), kinds=dict(world.registered), partitions=world.partitions)
        for organization, zone in world.zones.items():
            await pipe.organization(zone, organization)
        for (organization, workflow), kind in world.registered.items():
            await pipe.workflow(workflow, kind, organization)
        for batch in world.batches:
            await replay.push(batch, first)
        await pipe.drain()
        oracle = Oracle(zones=dict(zones), kinds=dict(first.kinds), partitions=world.partitions)
        asked = [question for question in world.questions if question[0] in zones]
        for question in asked:
            await pipe.ask(*question[1:], question[0])  # the service knows what is wrong, too
        for organization, zone in zones.items():
            entries = [one for batch in world.batches if batch.organization == organization for one in batch.entries]
            raws = [raw for one in entries for raw in ([one] if isinstance(one, bytes) else one)]
            archive = [line for line in read_lines(io.BytesIO(b"\n".join(raws)), world.partitions) if not line.fault]
            dead, known = len(oracle.dead), oracle.duplicates
            now = await pipe.now()
            for line in archive:
                if line.organization == organization:
                    await arrive(oracle, pipe, line.raw, f"{organization} {line.number}", now)
            if not any(event.organization == organization for event in oracle.events):
                assume(False)
            await spoil(pipe, organization)
            work = Rebuild(
                as_user("operator", pipe.client),
                pipe.settings,
                pipe.installation,
                organization,
                iter(archive),
                dry=False,
                timezone=zone,
            )
            report = await work.run()
            assert report.letters == dict(Counter(reason for reason, _ in oracle.dead[dead:]))
            assert report.duplicates == oracle.duplicates - known
            # Those with ids come again, and others for the first time.
            again = [line.raw for line in archive if b'"id"' in line.raw and line.organization == organization]
            new = [
                interaction(now, "v1", organization_id=organization, workflow=WORKFLOWS[2]),
                view(now, "v0", organization_id=organization, workflow=WORKFLOWS[0]),
                reached(now, "v2", organization_id=organization),
            ]
            ids = await pipe.push(*again, *new, organization=organization)
            for raw, entry in zip([*again, *new], ids, strict=True):
                await arrive(oracle, pipe, raw, f"{entry}/0", await pipe.now())
        await pipe.drain()
        await replay.ask(oracle, asked)


async def arrive(oracle: Oracle, pipe: Pipeline, raw: bytes, entry: str, now: datetime) -> None:
    """An event of the archive comes to the oracle, now."""
    organization = json.loads(raw)["organization_id"]
    entry_ms = int(now.timestamp() * 1000)
    oracle.arrive(raw, partition=pipe.partition(organization), entry_ms=entry_ms, entry=entry, now=now)


def test_a_rebuild_equals_the_oracle(redis_server: RedisServer) -> None:
    """Ten random worlds, in their zones or in others."""
    tally = Tally()

    @settings(max_examples=10)
    @given(world=worlds(), data=st.data())
    def compared(world: World, data: st.DataObject) -> None:
        zones = {one: data.draw(st.sampled_from([zone, zone, *ZONES])) for one, zone in world.zones.items()}
        redis_server.flush()
        asyncio.run(rebuilt(redis_server.url, world, zones, tally))

    compared()
    assert tally.nine_in_ten(), tally


async def test_a_lost_redis_is_filled_again(pipe: Pipeline) -> None:
    """Nothing is stored of the organization: all of it comes from the archive, in a zone that is given."""
    now = await pipe.now()
    await pipe.apply(life(now))
    right = await answers(pipe)
    await pipe.client.flushdb()
    async with pipeline(pipe.settings.redis_url, partitions=2) as anew:
        await rebuild(anew, life(now), timezone="Asia/Kathmandu").run()
        assert await answers(anew) == right


async def test_a_wrong_zone_is_put_right(pipe: Pipeline) -> None:
    """With another zone all is cut anew; views that know the old one answer by the new one."""
    now = await pipe.now()
    await pipe.apply(life(now))
    right = await answers(pipe)
    await rebuild(pipe, life(now), timezone="America/St_Johns").run()
    assert await answers(pipe) != right
    await rebuild(pipe, life(now), timezone="Asia/Kathmandu").run()
    assert await answers(pipe) == right


async def test_what_waits_or_comes_again_counts_once(pipe: Pipeline) -> None:
    """Events that are in the archive and in the stream, or are sent later once more; and those that only come later, each once."""
    now = await pipe.now()
    raws = life(now)
    await pipe.apply(raws[:100])
    await pipe.push(raws[50:200])
    await rebuild(pipe, raws[:250]).run()
    await pipe.apply(raws[100:], raws)
    async with pipeline(pipe.settings.redis_url, partitions=2) as other:
        found = await answers(other)
    await pipe.client.flushdb()
    async with pipeline(pipe.settings.redis_url, partitions=2) as anew:
        await anew.organization("Asia/Kathmandu")
        await anew.apply(raws)
        assert found == await answers(anew)


async def test_an_archive_that_lacks_an_event_lets_it_come_again(pipe: Pipeline) -> None:
    """What is not in it is not counted, and not remembered either: sent again with its id it counts."""
    now = await pipe.now()
    raws = life(now)
    await pipe.apply(raws)
    right = await answers(pipe)
    await rebuild(pipe, raws[:-10]).run()
    assert await answers(pipe) != right
    await pipe.apply(raws[-10:])
    assert await answers(pipe) == right


async def test_goals_and_interactions_meet_across_a_rebuild(pipe: Pipeline) -> None:
    """An interaction of the archive affects a goal that comes later, and a goal of the archive waits for a late interaction."""
    now = await pipe.now()
    hour = timedelta(hours=1)
    early, late = interaction(now - 2 * hour, "a", id="1"), reached(now - hour, "b", id="2")
    await rebuild(pipe, [early, late]).run()
    await pipe.apply(reached(now - hour, "a", id="3"), interaction(now - 2 * hour, "b", id="4"))
    figures = (await pipe.ask(POPUP, (now - 5 * hour).isoformat(), now.isoformat())).json
    assert figures["affected_goals"][0]["metrics"]["events_count"] == 2


async def test_traffic_that_flows_counts_once(redis_url: str) -> None:
    """A worker runs and a producer sends, archiving each event before it does: after rebuilds in between nothing is amiss."""
    async with pipeline(redis_url, partitions=1, lease_ms=1000) as pipe:
        now = await pipe.now()
        stop = asyncio.Event()
        working = asyncio.create_task(
            Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings).run(stop)
        )
        archive: list[bytes] = []
        rebuilds = 0

        async def sending() -> None:
            while rebuilds < 3:
                raws = [started(now, f"v{len(archive) + n}", id=f"{len(archive) + n}") for n in range(20)]
                archive.extend(raws)
                await pipe.push(raws, [started(now, f"w{len(archive)}", organization_id=OTHER_ORG)])
                await asyncio.sleep(0.005)

        async def journal() -> None:
            nonlocal rebuilds
            while rebuilds < 3:
                await asyncio.sleep(0.2)
                # A generator: what is archived while the rebuild reads is read too.
                source = (Line(n, archive[n], organization=ORG) for n in iter(_counter(archive)))
                await Rebuild(
                    as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, source, dry=False
                ).run()
                rebuilds += 1

        await asyncio.gather(sending(), journal())
        async with asyncio.timeout(20):
            while await pipe.client.xlen(keys.events(0)):  # noqa: ASYNC110 - Redis sets no event of ours
                await asyncio.sleep(0.01)
        stop.set()
        await working
        day = timedelta(days=1)
        span = (now - day).isoformat(), (now + day).isoformat()
        assert (await pipe.ask(POPUP, *span)).json["started_workflows_count"] == len(archive)
        assert (await pipe.ask(POPUP, *span, OTHER_ORG)).json["started_workflows_count"] == len(archive) // 20
        assert await pipe.reasons() == []


def _counter(archive: list[bytes]) -> Iterator[int]:
    """Places of the archive, for as long as it grows."""
    n = 0
    while n < len(archive):
        yield n
        n += 1


class KilledError(Exception):
    """Stands for a process that is no more."""


@pytest.mark.parametrize(
    ("place", "begun"),
    [
        ("after_plan", False),
        ("after_commit", False),
        ("before_swap", False),
        ("after_swap_begin", True),
        ("after_swap_step", True),
        ("after_swap", True),
    ],
)
async def test_killed_anywhere_old_or_new(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, place: str, *, begun: bool
) -> None:
    """Wherever it dies, each workflow answers as before or as after, and all alike once somebody owns the partition."""

    async def never(*_: object) -> None:
        return

    monkeypatch.setattr(Rebuild, "_drop", never)
    monkeypatch.setattr(lease, "release", never)
    steps = 0
    while True:
        steps += 1
        left = steps

        def dies(passed: str) -> None:
            nonlocal left
            left -= passed == place
            if passed == place and left == 0:
                raise KilledError

        async with pipeline(redis_url, partitions=2, lease_ms=60_000) as pipe:
            now = await pipe.now()
            raws = life(now, size=8)
            await pipe.apply(raws)
            new = await answers(pipe)
            await spoil(pipe)
        async with pipeline(redis_url, partitions=2, lease_ms=60_000) as pipe:
            old = await answers(pipe)
            assert all(before != after for before, after in zip(old, new, strict=True))
            monkeypatch.setattr(failpoints, "armed", dies)
            with suppress(KilledError):
                await rebuild(pipe, raws, batch_events=30).run()
            monkeypatch.setattr(failpoints, "armed", None)
            between = await answers(pipe)
            for mixed, before, behind in zip(between, old, new, strict=True):
                assert mixed in (before, behind), steps
            if left > 0:  # it came to its end by itself
                assert steps > 2 or place not in ("after_commit", "after_swap_step")
                assert between == new
                return
            await pipe.drain()
            assert await answers(pipe) == (new if begun else old), steps
            await assert_shadows_expire(pipe.client)
            await pipe.client.flushdb()


async def assert_shadows_expire(client: Client) -> None:
    """What a killed rebuild left goes by itself."""
    for pattern in ("sd:*:rebuild:*", "sd:*:swap:*"):
        async for key in client.scan_iter(match=pattern):
            assert 0 < await client.ttl(key) <= 2 * 86_400 + 60, key


async def test_it_ends_though_a_cancellation_is_lost(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Redis client may swallow the one that ends the renewals of the lease; nobody waits for ever then."""

    async def swallowing(*_: object) -> bool:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(lease, "renew", swallowing)
    async with asyncio.timeout(30):
        assert (await rebuild(pipe, life(await pipe.now()), lease_ms=30).run()).swapped


async def test_a_dry_run_changes_nothing(pipe: Pipeline) -> None:
    """It tells the difference and leaves every key as it was, owned by whoever owned it."""
    now = await pipe.now()
    await pipe.apply(life(now))
    await spoil(pipe)
    await lease.acquire(pipe.client, pipe.settings, pipe.partition(ORG), "somebody")
    before = await everything(pipe.client)
    cursor = await pipe.client.hgetall(keys.cursor(pipe.partition(ORG)))
    report = await rebuild(pipe, life(now), dry=True).run()
    assert not report.swapped
    assert any(one.differing for one in report.workflows)
    assert await everything(pipe.client) == before
    assert await pipe.client.hgetall(keys.cursor(pipe.partition(ORG))) == cursor
    assert await pipe.client.get(keys.lease(pipe.partition(ORG))) == b"somebody"


async def test_bad_events_are_counted_by_reason(pipe: Pipeline) -> None:
    """They are left out, and no dead letter is written."""
    now = await pipe.now()
    bad = [view(now - timedelta(days=900)), started(now, workflow=PAGES), view(now + timedelta(days=1)), view("never")]
    report = await rebuild(pipe, [view(now), *bad]).run()
    assert report.letters == {"too_old": 1, "workflow_kind_mismatch": 1, "in_future": 1, "invalid_event": 1}
    assert report.applied == 1
    assert await pipe.letters() == []


@pytest.mark.parametrize(
    "raws",
    [[b'{"cut of'], [b"[]", view("2026-11-01T00:00:00Z")], [view("1999-01-01T00:00:00Z")], []],
    ids=["cut off", "one bad line", "too old", "empty"],
)
async def test_an_archive_that_can_not_be_relied_on_changes_nothing(pipe: Pipeline, raws: list[bytes]) -> None:
    """Unreadable lines, or no event that counts: it stops before the swap."""
    now = await pipe.now()
    await pipe.apply(life(now))
    before = await everything(pipe.client)
    source = read_lines(io.BytesIO(b"\n".join(raws)), 2)
    with pytest.raises(StopError, match="nothing is changed"):
        await Rebuild(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, source, dry=False).run()
    assert await everything(pipe.client) == before
    await assert_no_shadow(pipe.client)


@pytest.mark.parametrize("what", ["purge", "rebuild", "zone", "workflow"])
async def test_what_changes_meanwhile_stops_it(pipe: Pipeline, what: str) -> None:
    """Another owner, or a registration that the shadow was not built by: the swap doesn't begin."""
    now = await pipe.now()
    await pipe.apply(life(now)[:50])

    async def meanwhile() -> None:
        if what == "purge":
            await Purge(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, None, dry=False).run()
        elif what == "rebuild":
            await rebuild(pipe, life(now)[:50]).run()
        elif what == "zone":
            await pipe.organization("Asia/Kathmandu")
        else:
            await pipe.workflow(POPUP, "interaction")

    loop = asyncio.get_running_loop()

    def source() -> Iterator[Line]:
        # In the thread that reads: let the loop do it, and wait.
        yield from lines(life(now)[:100])
        asyncio.run_coroutine_threadsafe(meanwhile(), loop).result(20)
        yield from lines(life(now)[100:])

    with pytest.raises((StopError, LeaseLostError), match=r"run (it|the rebuild) again"):
        await Rebuild(
            as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, source(), dry=False
        ).run()
    await assert_no_shadow(pipe.client)
    span = (now - timedelta(days=300)).isoformat(), now.isoformat()
    assert (await pipe.ask(PAGES, *span)).status == (404 if what == "purge" else 200)


# --- the command ---


def sidedata(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "store.cli.main", "rebuild", "--org", ORG, *arguments],
        env={**os.environ, "SIDEDATA_REDIS_URL": as_user("operator", url), "SIDEDATA_SECRET": SECRET, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_compares_and_swaps(pipe: Pipeline, tmp_path: Path) -> None:
    """Gzipped or not; a report as a table or as JSON on stdout, the rest on stderr, and the status that scripts go by."""
    now = await pipe.now()
    raws = life(now, size=8)
    await pipe.apply(raws)
    right = await answers(pipe)
    await spoil(pipe)
    url = pipe.settings.redis_url
    packed, cut, plain = tmp_path / "a.ndjson.gz", tmp_path / "cut.gz", tmp_path / "a.ndjson"
    plain.write_bytes(b"\n".join([*raws, raws[0], view(now, organization_id=OTHER_ORG), view("1999-01-01T00:00:00Z")]))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    cut.write_bytes(packed.read_bytes()[:-20])

    def told(*arguments: str) -> subprocess.CompletedProcess[str]:
        return sidedata(url, *arguments)

    asked = await asyncio.to_thread(told, str(packed))
    assert (asked.returncode, asked.stderr.count("\n")) == (2, 1)
    assert "--apply" in asked.stderr
    assert (await asyncio.to_thread(told, "--dry-run", "--apply", str(packed))).returncode == 2
    assert (await asyncio.to_thread(told, "--apply", str(tmp_path / "none"))).returncode == 2
    assert (await asyncio.to_thread(told, "--apply", "--timezone", "Mars/Olympus", str(packed))).returncode == 2
    broken = await asyncio.to_thread(told, "--apply", str(cut))
    assert broken.returncode == 1
    assert "can't be read on" in broken.stderr
    other = {"SIDEDATA_SECRET": "another one"}
    assert (await asyncio.to_thread(lambda: sidedata(url, "--apply", str(packed), **other))).returncode == 1
    dry = await asyncio.to_thread(told, "--dry-run", "--json", str(packed))
    assert dry.returncode == 0, dry.stderr
    report = json.loads(dry.stdout)
    assert (report["applied"], report["duplicates"], report["other_lines"]) == (len(raws), 1, 1)
    assert (report["dead_letters"], report["swapped"]) == ({"too_old": 1}, False)
    popup = next(one for one in report["workflows"] if one["id"] == POPUP)
    assert popup["rebuilt"]["started"] == 8 < popup["stored"]["started"]
    assert popup["rebuilt"]["purchases"] == {"EUR": "159.92"}
    assert popup["buckets_differing"] > 0
    assert await read_anew(pipe) != right
    done = await asyncio.to_thread(told, "--apply", str(plain))
    assert done.returncode == 0, done.stderr
    assert POPUP in done.stdout
    assert "1 left out as too_old" in done.stderr
    assert "was held for" in done.stderr
    assert await answers(pipe) == right


@pytest.mark.parametrize("place", ["inside_commit:1", "before_swap:1", "after_swap_step:3"])
async def test_a_command_that_is_killed_is_run_again(redis_url: str, tmp_path: Path, place: str) -> None:
    """SIGKILL, with a worker about that takes the partition over; then the same once more to its end."""
    async with pipeline(redis_url, partitions=2, lease_ms=500) as pipe:
        now = await pipe.now()
        raws = life(now, size=8)
        await pipe.apply(raws)
        right = await answers(pipe)
        await spoil(pipe)
        archive = tmp_path / "a.ndjson"
        archive.write_bytes(b"\n".join(raws))
        stop = asyncio.Event()
        worker = Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings)
        working = asyncio.create_task(worker.run(stop))
        killed = await asyncio.to_thread(
            lambda: sidedata(redis_url, "--apply", str(archive), SIDEDATA_FAILPOINT=place, SIDEDATA_LEASE_MS="500")
        )
        assert killed.returncode == -9, killed.stderr
        partition = pipe.partition(ORG)
        async with asyncio.timeout(20):
            while await pipe.client.get(keys.lease(partition)) != worker.name.encode():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
            while await pipe.client.hexists(keys.cursor(partition), "swap"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await read_anew(pipe) == right) == place.startswith("after_swap")
        await assert_shadows_expire(pipe.client)
        done = await asyncio.to_thread(lambda: sidedata(redis_url, "--apply", str(archive), SIDEDATA_LEASE_MS="500"))
        assert done.returncode == 0, done.stderr
        assert await answers(pipe) == right
        stop.set()
        await working
