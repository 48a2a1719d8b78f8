"""Pages of dead letters: bounded work among a million of others, and letters that no index names."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from sidedata.schema import keys
from sidedata.schema.keys import Keyspace
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.servers import RedisServer

LETTERS = f"/api/ingest/v1/orgs/{ORG}/dead-letters/"
MILLION = 1_000_000
# A loop inside of Redis: a million XADDs of a client would take ten times as long.
FILL = """
for number = 1, ARGV[1] do
  redis.call('XADD', KEYS[1], '*', 'reason', 'too_old', 'organization', ARGV[2], 'event', '{}')
end
"""


class Page(NamedTuple):
    """A page: ids of its events, where it goes on, and its cost for Redis."""

    events: list[str]
    next_path: str
    commands: int
    seconds: float
    reply_bytes: int


async def read(pipe: Pipeline, path: str) -> Page:
    """Read a page, and count the work of Redis meanwhile."""
    await pipe.client.config_resetstat()
    async with pipe.http.get(path) as response:
        assert response.status == 200, await response.text()
        letters: list[dict[str, Any]] = await response.json()
        link = response.headers.get("Link", "")
    stats = await pipe.client.info("commandstats")
    work = [figures for name, figures in stats.items() if "config" not in name and "info" not in name]
    traffic = await pipe.client.info("stats")
    return Page(
        [letter["event_id"] for letter in letters],
        link.partition("<")[2].partition(">")[0],
        sum(figures["calls"] for figures in work),
        sum(figures["usec"] for figures in work) / 1_000_000,
        traffic["total_net_output_bytes"],
    )


async def read_all(pipe: Pipeline, path: str = LETTERS) -> list[str]:
    """The events of all pages."""
    found: list[str] = []
    while path:
        page = await read(pipe, path)
        found += page.events
        path = page.next_path
    return found


def bad(number: int, organization: str = ORG) -> bytes:
    """An event that is refused for its timestamp."""
    return view("never", id=f"e-{number}", organization_id=organization)


async def store(pipe: Pipeline, space: Keyspace, *events: bytes, first_ms: int | None = None) -> None:
    """Store letters as a version without indexes did, at milliseconds from `first_ms` on if it is given."""
    for number, event in enumerate(events):
        entry = "*" if first_ms is None else f"{first_ms + number}-0"
        fields = {"reason": "invalid_event", "detail": "x", "entry": "1-0", "event": event}
        await pipe.client.xadd(space.dead, fields, id=entry)


@pytest.mark.holds("2.2.7")
async def test_letters_of_an_older_version_are_listed(pipe: Pipeline) -> None:
    """Those from before the indexes, in any partition, and those that an older worker wrote between two newer ones."""
    home, away = keys.keyspace(pipe.partition(ORG)), keys.keyspace((pipe.partition(ORG) + 1) % 4)
    ms = int((await pipe.now()).timestamp() * 1000) - 1_000
    old = [bad(number, OTHER_ORG if number % 3 else ORG) for number in range(300)]
    await store(pipe, home, *old, first_ms=ms)
    await store(pipe, away, bad(300), first_ms=ms + 300)
    assert await read_all(pipe, f"{LETTERS}?limit=7") == ["e-300", *(f"e-{n}" for n in reversed(range(0, 300, 3)))]
    await pipe.apply(bad(301), bad(302))
    await store(pipe, home, bad(303))
    await pipe.apply(bad(304))
    await store(pipe, home, bad(305))
    newest = [f"e-{number}" for number in range(305, 299, -1)]
    assert await read_all(pipe, f"{LETTERS}?limit=2") == [*newest, *(f"e-{n}" for n in reversed(range(0, 300, 3)))]


async def test_a_letter_whose_index_can_not_be_written_is_listed(pipe: Pipeline) -> None:
    """Here the index is ahead of the letters, as after a clock that was set back."""
    await pipe.apply(bad(0))
    space = keys.keyspace(pipe.partition(ORG))
    await pipe.client.xadd(space.dead_of(ORG), {"id": ""}, id="9999999999999-0")
    await pipe.apply(bad(1))
    await pipe.client.delete(space.dead_of(ORG))
    await pipe.apply(bad(2))
    assert await read_all(pipe) == ["e-2", "e-1", "e-0"]


async def test_a_dropped_letter_brings_no_search(pipe: Pipeline) -> None:
    """The indexes are complete all the same."""
    await pipe.apply(bad(0), bad(1), bad(2))
    space = keys.keyspace(pipe.partition(ORG))
    (newest,) = (entry for entry, _ in (await pipe.client.xrevrange(space.dead, count=1)))
    await pipe.client.xdel(space.dead, newest)
    await pipe.apply(bad(3))
    assert not await pipe.client.hexists(space.cursor, "dead_unindexed")
    assert await read_all(pipe) == ["e-3", "e-1", "e-0"]


@pytest.mark.holds("2.2.9")
async def test_a_page_costs_bounded_work(private_server: Callable[..., RedisServer]) -> None:
    """Among a million letters of others: a few commands, milliseconds of Redis, few bytes; with an index and without one."""
    async with pipeline(private_server().url, partitions=4, dead_limit=2 * MILLION) as pipe:
        space = keys.keyspace(pipe.partition(ORG))
        await pipe.apply(*(bad(number) for number in range(5)))
        for _ in range(10):
            await pipe.client.eval(FILL, 1, space.dead, MILLION // 10, OTHER_ORG)
        # As if the worker had written them: none of them lacks an index.
        ((newest, _),) = await pipe.client.xrevrange(space.dead, count=1)
        await pipe.client.hset(space.cursor, "dead_indexed", newest)
        await pipe.apply(*(bad(number) for number in range(5, 150)))
        assert await pipe.client.xlen(space.dead) > MILLION

        page = await read(pipe, LETTERS)
        assert page.events == [f"e-{number}" for number in range(149, 49, -1)]
        assert page.commands <= 4 * 4 + 100 + 10  # partitions, letters, token
        assert page.seconds < 0.1
        assert page.reply_bytes < 1_000_000
        assert await read_all(pipe) == [f"e-{number}" for number in range(149, -1, -1)]

        # As an older version leaves them: each page searches some and says that there are more.
        await pipe.client.hset(space.cursor, "dead_unindexed", newest)
        path, found = f"{LETTERS}?limit=150", []
        for _ in range(3):
            page = await read(pipe, path)
            found += page.events
            path = page.next_path
            assert path
            assert page.commands <= 4 * 4 + 150 + 40
            assert page.seconds < 0.1
            assert page.reply_bytes < 1_000_000
        assert found == [f"e-{number}" for number in range(149, 4, -1)]
