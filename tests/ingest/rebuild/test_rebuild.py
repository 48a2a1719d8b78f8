"""Rebuilds: afterwards the counters are those of the archive and of what came since."""

import io
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sidedata.errors import StopError
from sidedata.ingest.archive.lines import read_lines
from sidedata.ingest.ownership import lease
from sidedata.ingest.purge.purge import Purge
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, interaction, reached, started, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.rebuilds import answers, assert_no_shadow, everything, life, rebuild, spoil
from tests.support.redis.users import as_user


async def test_wrong_counters_are_right_again(pipe: Pipeline) -> None:
    """Junk in, keys missing, names wrong: after a rebuild every answer is what it was, at once, and no other's has changed."""
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
    assert (report.applied, report.duplicates, report.archive.others) == (len(life(now)), 5, 3)
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
                continue  # a log for readers' caches, which are empty here
            seen[kind] += 1
            ttls = [await one.client.pttl(key) for one in (fresh, pipe)]
            assert abs(ttls[0] - ttls[1]) < 60_000, key
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


async def test_a_lost_redis_is_filled_again(pipe: Pipeline) -> None:
    """Nothing is stored of the organization: all of it comes from the archive, in a zone that is given."""
    now = await pipe.now()
    await pipe.apply(life(now))
    right = await answers(pipe)
    await pipe.client.flushdb()
    async with pipeline(pipe.settings.redis_url, partitions=2) as anew:
        await rebuild(anew, life(now), timezone="Asia/Kathmandu").run()
        assert await answers(anew) == right


async def test_a_purged_organization_is_listed_again(pipe: Pipeline) -> None:
    """Lists of organizations, and the comparison of zones, have it as before."""
    now = await pipe.now()
    await pipe.apply(life(now)[:60])
    organizations = keys.keyspace(pipe.partition(ORG)).organizations
    await Purge(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, None, dry=False).run()
    assert await pipe.client.zscore(organizations, ORG) is None
    await rebuild(pipe, life(now)).run()
    assert await pipe.client.zscore(organizations, ORG) == 0


async def test_a_wrong_zone_is_put_right(pipe: Pipeline) -> None:
    """With another zone all buckets are new; caches with the old one answer by the new one."""
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
    """An event that the archive lacks is not counted, and its id is not stored: sent again, it counts."""
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


async def test_a_dry_run_changes_nothing(pipe: Pipeline) -> None:
    """It tells the difference and leaves every key as it was, with the same owner."""
    now = await pipe.now()
    await pipe.apply(life(now))
    await spoil(pipe)
    await lease.acquire(pipe.client, pipe.settings, pipe.partition(ORG), "somebody")
    before = await everything(pipe.client)
    cursor = await pipe.client.hgetall(keys.keyspace(pipe.partition(ORG)).cursor)
    report = await rebuild(pipe, life(now), dry=True).run()
    assert not report.swapped
    assert any(one.differing for one in report.workflows)
    assert await everything(pipe.client) == before
    assert await pipe.client.hgetall(keys.keyspace(pipe.partition(ORG)).cursor) == cursor
    assert await pipe.client.get(keys.keyspace(pipe.partition(ORG)).lease) == b"somebody"


async def test_bad_events_are_counted_by_reason(pipe: Pipeline) -> None:
    """They are left out, and no dead letter is written."""
    now = await pipe.now()
    bad = [view(now - timedelta(days=900)), started(now, workflow=PAGES), view(now + timedelta(days=1)), view("never")]
    report = await rebuild(pipe, [view(now), *bad]).run()
    assert report.dead_letters == {"too_old": 1, "workflow_kind_mismatch": 1, "in_future": 1, "invalid_event": 1}
    assert report.applied == 1
    assert await pipe.letters() == []


@pytest.mark.parametrize(
    "raws",
    [[b'{"cut of'], [view("1999-01-01T00:00:00Z")], []],
    ids=["cut off", "too old", "empty"],
)
async def test_an_archive_that_can_not_be_relied_on_changes_nothing(pipe: Pipeline, raws: list[bytes]) -> None:
    """Without an event that counts it stops before the swap."""
    now = await pipe.now()
    await pipe.apply(life(now))
    before = await everything(pipe.client)
    source = read_lines(io.BytesIO(b"\n".join(raws)), 2)
    with pytest.raises(StopError, match="nothing is changed"):
        await Rebuild(as_user("operator", pipe.client), pipe.settings, pipe.installation, ORG, source, dry=False).run()
    assert await everything(pipe.client) == before
    await assert_no_shadow(pipe.client)
