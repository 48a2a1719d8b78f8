"""Ids made to distort a HyperLogLog: they work on a plain one and not on ours. What a copy of the counters tells of visitors."""

import hashlib
from base64 import b64encode
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sidedata.schema import keys
from tests.support.events import PAGES, POPUP, bought, interaction, reached, started, triggered, view
from tests.support.pipeline import pipeline
from tests.support.redis.client import Client
from tests.support.redis.servers import RedisServer

# Redis hashes with MurmurHash64A and this seed, for everybody to know (src/hyperloglog.c).
_SEED = 0xADC83B19
_M = np.uint64(0xC6A4A7935BD1E995)
_R = np.uint64(47)
_REGISTERS = 1 << 14
_CANDIDATES = 1 << 21

Words = NDArray[np.uint64]


def candidates(count: int) -> Words:
    """Ids as 16 ASCII digits each, in two words; as good as any that a browser could be made to send."""
    numbers = np.arange(count, dtype=np.uint64)
    digits = np.empty((count, 16), np.uint8)
    for place in range(15, -1, -1):
        digits[:, place] = numbers % np.uint64(10) + np.uint64(ord("0"))
        numbers //= np.uint64(10)
    return digits.view("<u8")


def murmur(words: Words) -> Words:
    """MurmurHash64A of ids of two words."""
    state = np.full(len(words), _SEED ^ (16 * int(_M)) % 2**64, np.uint64)
    for column in range(2):
        block = words[:, column] * _M
        block ^= block >> _R
        state = (state ^ (block * _M)) * _M
    state ^= state >> _R
    state *= _M
    return state ^ (state >> _R)


def places(hashes: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The register that each hash falls into, and the run that it leaves there."""
    rest = (hashes >> np.uint64(14)) | np.uint64(1 << 50)
    lowest = rest & (~rest + np.uint64(1))
    return (hashes & np.uint64(_REGISTERS - 1)).astype(np.int64), np.log2(lowest.astype(np.float64)).astype(
        np.int64
    ) + 1


@pytest.fixture(scope="module")
def crafted() -> dict[str, list[str]]:
    """Ids that deflate, all in 16 registers, and ids that inflate, the longest run of each register among two million."""
    words = candidates(_CANDIDATES)
    register, run = places(murmur(words))
    texts = words.view("S16").ravel()
    few = np.flatnonzero((register < 16) & (run <= 4))[:1000]
    order = np.lexsort((run, register))
    last = np.flatnonzero(np.diff(register[order], append=-1))  # of each register, the longest run
    return {
        "deflating": [text.decode() for text in texts[few]],
        "inflating": [text.decode() for text in texts[order[last]]],
    }


async def test_a_plain_sketch_is_distorted(client: Client, crafted: dict[str, list[str]]) -> None:
    """The attack is real: Redis's own estimate of the same ids is off by a factor of a hundred either way."""
    for name, ids in crafted.items():
        await client.pfadd(name, *ids)
    assert len(set(crafted["deflating"])) == 1000
    assert await client.pfcount("deflating") == 16
    assert len(crafted["inflating"]) == _REGISTERS
    assert await client.pfcount("inflating") > 100 * _REGISTERS


@pytest.mark.holds("4.12", "7.8")
@pytest.mark.parametrize("name", ["deflating", "inflating"])
async def test_ours_is_not(redis_url: str, crafted: dict[str, list[str]], name: str) -> None:
    """The same ids as visitors and sessions count within the contract's tolerance, overall and in each hour and day."""
    ids = crafted[name]
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        moments = [now.replace(minute=0, second=0, microsecond=0)] * len(ids)
        events = [view(at, visitor=one, session=one) for at, one in zip(moments, ids, strict=True)]
        await pipe.apply(*(events[first : first + 1000] for first in range(0, len(events), 1000)))
        start, end = now.replace(hour=0, minute=0).isoformat(), now.isoformat()
        figures = (await pipe.ask(PAGES, start, end)).json
    hours = [value for value, _ in figures["timeframe_stat"]["hour_in_day"]]
    for count in (figures["unique_visitors_count"], figures["unique_sessions_count"], sum(hours)):
        assert abs(count - len(ids)) <= 0.03 * len(ids) + 2


@pytest.mark.holds("7.8")
async def test_a_dump_names_nobody(private_server: Callable[..., RedisServer]) -> None:
    """Once all is applied, no visitor or session id is in the dump, not even hashed by what anybody could hash it with."""
    server = private_server("--rdbcompression", "no")
    visitors = [f"visitor-{number}-Zoë" for number in range(40)]
    sessions = [f"session-{number}-søk" for number in range(40)]
    async with pipeline(server.url, partitions=2) as pipe:
        now = await pipe.now()
        for visitor, session in zip(visitors, sessions, strict=True):
            makers: list[Callable[..., bytes]] = [started, interaction, triggered, reached]
            events = [make(now, visitor=visitor, session=session) for make in makers]
            events += [view(now, visitor, session), bought(now, "1.5", visitor=visitor, session=session)]
            await pipe.push(events, *events)
        await pipe.drain()
        assert await pipe.letters() == []
        assert (await pipe.ask(POPUP, "2026-11-01", now.isoformat())).status in (200, 400)
        assert await pipe.client.exists(keys.keyspace(0).events, keys.keyspace(1).events) <= 2
        await pipe.client.save()
    dump = (server.directory / "dump.rdb").read_bytes()
    assert b"page_navigation" in dump  # it is readable, so that finding nothing means something
    for text in visitors + sessions:
        raw = text.encode()
        traces = {raw, raw.hex().encode(), b64encode(raw), text.encode("unicode_escape")}
        for algorithm in ("md5", "sha1", "sha256", "blake2b"):
            digest = hashlib.new(algorithm, raw)
            traces |= {digest.digest()[:8], digest.hexdigest()[:16].encode()}
        for trace in traces:
            assert trace not in dump
