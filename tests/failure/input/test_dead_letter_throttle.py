"""Events that can't be applied: alone, among a thousand, in endless streams; kept within bounds, and sent again once."""

import asyncio
import logging
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from sidedata.ingest.apply.partition import Partition, live_partition
from sidedata.ingest.apply.throttle import DeadLetterThrottle
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.events import POPUP, as_array, started
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation of one partition."""
    async with pipeline(redis_url, partitions=1) as opened:
        yield opened


async def starts(pipe: Pipeline) -> int:
    """Count the applied `workflow_started` events."""
    now = await pipe.now()
    reply = await pipe.ask(POPUP, (now - timedelta(days=1)).isoformat(), now.isoformat())
    return int(reply.json["started_workflows_count"])


async def owned(pipe: Pipeline, metrics: Metrics, **settings: int) -> Partition:
    """The partition in our hands."""
    values = {name: getattr(pipe.settings, name) for name in pipe.settings.__struct_fields__}
    chosen = type(pipe.settings)(**{**values, **settings})
    taken = await lease.acquire(as_user("worker", pipe.client), chosen, 0, "test", force=True)
    assert taken is not None
    return live_partition(as_user("worker", pipe.client), chosen, 1, taken, metrics)


def sample(metrics: Metrics, name: str) -> float:
    """A metric's value, all labels together."""
    return sum(one.value for metric in metrics.registry.collect() for one in metric.samples if one.name == name)


@pytest.mark.holds("2.3.7")
async def test_poison_in_the_middle_of_a_thousand(pipe: Pipeline) -> None:
    """999 neighbours are applied, the one is a letter with its bytes."""
    raws = [started(await pipe.now(), visitor=f"v{n}") for n in range(1_000)]
    raws[500] = b'{"type": "poison"}'
    await pipe.apply(raws)
    assert await starts(pipe) == 999
    assert [letter.fields["event"] for letter in await pipe.letters()] == [raws[500]]


async def test_an_entry_of_thousands_of_fields_is_one_letter(pipe: Pipeline) -> None:
    """More fields than a script can pass on: kept, packed; the neighbours are applied; and sent again, it is a letter again."""
    fields = {f"f{n}": b"x" for n in range(5_000)}
    await pipe.apply(started(await pipe.now()), fields, started(await pipe.now()))
    letters = await pipe.letters()
    assert [letter.reason for letter in letters] == ["invalid_event"]
    assert b"f4999" in letters[0].fields["field:fields"]
    assert await starts(pipe) == 2


@pytest.mark.alone
async def test_a_stream_of_nothing_but_poison(pipe: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """The worker slows down, says so once, and goes on; a good event is applied within a second and ends it."""
    metrics = Metrics()
    worker = Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings, metrics)
    stop = asyncio.Event()
    caplog.set_level(logging.INFO, "sidedata.worker")
    running = asyncio.create_task(worker.run(stop))
    sent = 0
    try:
        limit = time.monotonic() + 20
        # Entries of a thousand, several a batch: as fast as it may read, it would be through in no time.
        while not sample(metrics, "sidedata_poisoned"):
            await pipe.push([b"7"] * 100)
            sent += 100
            await asyncio.sleep(0.02)
            assert time.monotonic() < limit
        for _ in range(20):
            await pipe.push([b"7"] * 100)
            sent += 100
            await asyncio.sleep(0.05)
        assert sample(metrics, "sidedata_poisoned") == 1
        begin = time.monotonic()
        await pipe.push(started(await pipe.now()))
        while sample(metrics, "sidedata_poisoned"):
            assert time.monotonic() - begin < 1 * TIME_FACTOR
            await asyncio.sleep(0.01)
        assert await starts(pipe) == 1
    finally:
        stop.set()
        await running
    said = [record.message for record in caplog.records if "slowing down" in record.message]
    assert len(said) == 1
    await pipe.drain()
    assert len(await pipe.letters()) == sent


def test_good_streams_are_never_slowed() -> None:
    """One good event in a batch of any number of letters is enough; and so are lone letters, which are no flood."""
    throttle = DeadLetterThrottle(0, Metrics())
    for _ in range(100):
        throttle.record(valid=1, dead_letters=5_000, dropped=0)
        throttle.record(valid=0, dead_letters=5_000, dropped=0)
        throttle.record(valid=0, dead_letters=0, dropped=0)
        assert throttle.pause_seconds == 0
    throttle.record(valid=1, dead_letters=0, dropped=0)
    for _ in range(100):
        throttle.record(valid=0, dead_letters=1, dropped=0)
    assert throttle.pause_seconds == 0
    for _ in range(100):
        throttle.record(valid=0, dead_letters=10, dropped=0)
    assert throttle.pause_seconds == 0.5
    throttle.record(valid=1, dead_letters=1, dropped=0)
    assert throttle.pause_seconds == 0


async def test_letters_stay_within_their_number(pipe: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """The oldest go; a metric counts them and the log says so, once."""
    metrics = Metrics()
    partition = await owned(pipe, metrics, dead_limit=10)
    for n in range(25):
        await pipe.push(str(n).encode())
        await partition.run_once(None)
    assert [letter.fields["event"] for letter in await pipe.letters()] == [str(n).encode() for n in range(15, 25)]
    assert sample(metrics, "sidedata_dead_letters_dropped_total") == 15
    assert len([record for record in caplog.records if "dropped" in record.message]) == 1


@pytest.mark.holds("2.3.8")
async def test_letters_stay_for_their_time(pipe: Pipeline) -> None:
    """The next batch, whatever it brings, takes those along that are over 30 days old."""
    metrics = Metrics()
    partition = await owned(pipe, metrics)
    now_ms = int((await pipe.now()).timestamp() * 1000)
    day = 86_400_000
    for age in (31 * day, 30 * day + 60_000, 30 * day - 60_000):
        await pipe.client.xadd(
            keys.keyspace(0).dead, {"reason": "invalid_json", "event": str(age)}, id=f"{now_ms - age}-0"
        )
    await pipe.push(started(await pipe.now()))
    await partition.run_once(None)
    assert [letter.fields["event"] for letter in await pipe.letters()] == [str(30 * day - 60_000).encode()]
    assert sample(metrics, "sidedata_dead_letters_dropped_total") == 2


@pytest.mark.holds("2.3.1", "2.3.8")
async def test_a_replay_that_is_killed_and_repeated_counts_once(private_server: Callable[..., RedisServer]) -> None:
    """The real command is killed at random instants until it gets through: every letter's event counts once."""
    server = private_server()
    choose = random.Random(4)
    async with pipeline(server.url, partitions=1) as pipe:
        now = await pipe.now()
        for n in range(3_000):
            letter = {"reason": "too_old", "detail": "", "entry": "1-1", "event": started(now, visitor=f"v{n % 9}")}
            await pipe.client.xadd(keys.keyspace(0).dead, letter)
        killed = 0
        command = [sys.executable, "-m", "sidedata.cli.main", "dead", "replay", "--all", "--redis-url", server.url]
        while True:
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - it is polled
            while killed < 6 and process.poll() is None and len(await pipe.letters()) > 2_900 - 450 * killed:  # noqa: ASYNC110
                await asyncio.sleep(choose.uniform(0, 0.02))
            if killed == 6:
                assert await asyncio.to_thread(process.wait, 30) == 0
                break
            process.kill()
            await asyncio.to_thread(process.wait)
            killed += 1
        assert await pipe.letters() == []
        await pipe.drain()
        assert await starts(pipe) == 3_000


@pytest.mark.holds("2.3.8")
async def test_a_letter_of_an_array_element_goes_back_alone(pipe: Pipeline) -> None:
    """Replaying the one bad element of an array brings none of its neighbours again."""
    good, bad = started(await pipe.now()), b"{}"
    await pipe.push({"events": as_array([good, bad, good])})
    await pipe.drain()
    assert await starts(pipe) == 2
    command = [
        sys.executable,
        "-m",
        "sidedata.cli.main",
        "dead",
        "replay",
        "--all",
        "--redis-url",
        pipe.settings.redis_url,
    ]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    assert b"1 dead letter sent again" in done.stderr
    await pipe.drain()
    assert await starts(pipe) == 2
    assert [letter.fields["event"] for letter in await pipe.letters()] == [bad]
