"""One run: a stage, a producer, a service that is asked all the while, and blows until there were enough of them."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass

from sidedata.schema import keys
from tests.support.pipeline import Pipeline, pipeline
from tests.torture.harness import PARTITIONS, Stage, TortureError, stage
from tests.torture.judge import judge
from tests.torture.producer import ORGANIZATIONS, PAGES, POPUPS, Producer
from tests.torture.scenarios import redis_slot, worker_slot

_HEAL_SECONDS = 60.0
_ASK_SECONDS = 0.2


@dataclass
class Result:
    """The result of a run."""

    seed: int
    kill_points: int
    blows: Counter[str]
    events: int
    retries: int
    answers_compared: int
    seconds: float


async def torture(seed: int, kill_points: int, *, workers: int = 3, freeze: bool = False) -> Result:
    """Inject at least that number of failures, heal, and judge.

    Raises:
        TortureError: exactly once was not exactly once, or a worker misbehaved.
    """
    started = time.monotonic()
    async with stage(kill_points) as standing, pipeline(standing.server.url, partitions=PARTITIONS) as pipe:
        for organization, zone in ORGANIZATIONS.items():
            await pipe.organization(zone, organization)
        producer = Producer(pipe.client, standing, seed)
        await _break(standing, pipe, producer, seed, workers, freeze=freeze)
        await _heal(standing, pipe)
        async with pipeline(standing.server.url, partitions=PARTITIONS) as fresh:
            tally = await judge(pipe, producer, fresh)
        return Result(
            seed,
            standing.kill_points,
            standing.blows,
            len(producer.sent),
            producer.retries,
            tally.small,
            time.monotonic() - started,
        )


async def _break(standing: Stage, pipe: Pipeline, producer: Producer, seed: int, workers: int, *, freeze: bool) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(producer.run(stop, pause=0.06))
        tasks.create_task(_ask(pipe, seed, stop))
        breaking = [tasks.create_task(worker_slot(standing, f"worker {n} {seed}")) for n in range(workers)]
        breaking.append(tasks.create_task(redis_slot(standing, f"redis {seed}", freeze=freeze)))
        try:
            await asyncio.wait(breaking)
        finally:
            # Set whatever happens: the Redis client may lose the cancellation with which a task group ends its tasks.
            standing.enough.set()
            stop.set()


async def _ask(pipe: Pipeline, seed: int, stop: asyncio.Event) -> None:
    """Ask the service all the time, so that it has much to remember wrongly; it may say 503, and never 500."""
    choose = random.Random(f"ask {seed}")
    while not stop.is_set():
        await asyncio.sleep(_ASK_SECONDS)
        organization, workflow = choose.choice(list(ORGANIZATIONS)), choose.choice([PAGES, *POPUPS])
        reply = await pipe.ask(workflow, _days_ago(60), _days_ago(0), organization)
        if reply.status not in (200, 404, 503):
            raise TortureError(f"the service answered {reply.status}: {reply.text}")


def _days_ago(days: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))


async def _heal(standing: Stage, pipe: Pipeline) -> None:
    """Two workers with nothing against them apply what is left, and leave."""
    healthy = [standing.start_worker() for _ in range(2)]
    for worker in healthy:
        await worker.ready()
    limit = time.monotonic() + _HEAL_SECONDS
    while any([await pipe.client.xlen(keys.keyspace(partition).events) for partition in range(PARTITIONS)]):
        standing.look_at_workers()
        if time.monotonic() > limit:
            raise TortureError("entries are left in the streams, and nobody applies them")
        await asyncio.sleep(0.05)
    for worker in healthy:
        await worker.left()
        if worker.status != 0:
            raise TortureError(f"a worker left with {worker.status}: {worker.log()[-3000:]}")
