"""The failures of workers and Redis while the producer sends: seeded lives, each with an end that was chosen before."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

from sidedata.failpoints import POINTS
from tests.torture.harness import LEASE_MS, Stage

# How often a point is passed before the end: some lie in every batch, some in every tick, some are passed once.
_OFTEN = {"after_read": 12, "after_look_up": 12, "after_plan": 12, "before_commit": 12, "inside_commit": 12}
_OFTEN |= {"after_commit": 12, "after_heartbeat": 3, "before_acquire": 2, "after_acquire": 2}
_AT_THE_END = {"before_release", "after_release", "before_leave"}
_PATIENCE_SECONDS = 5.0
_CUTS = 4

Fate = Callable[[Stage, random.Random], Awaitable[None]]


async def dies_at_a_place(stage: Stage, choose: random.Random) -> None:
    """A worker is killed at a named point of its cycle, now and then together with Redis."""
    point = choose.choice(POINTS)
    worker = stage.start_worker(failpoint=f"{point}:{choose.randint(1, _OFTEN.get(point, 1))}")
    with_redis = choose.random() < 0.15
    if await worker.ready() and point in _AT_THE_END:
        await asyncio.sleep(choose.uniform(0.3, 1.0))
        worker.signal(signal.SIGTERM)
    if await worker.gone(_PATIENCE_SECONDS):
        # One that owned nothing at the end didn't get to its point.
        stage.struck("clean leave" if worker.status == 0 else f"worker killed at {point}")
    else:
        await worker.killed()
        stage.struck("worker killed at any instant")
    if with_redis:
        await kill_redis(stage, choose)


async def dies_at_any_instant(stage: Stage, choose: random.Random) -> None:
    """A worker is killed wherever it is, its start included."""
    worker = stage.start_worker()
    if choose.random() < 0.8:
        await worker.ready()
    await asyncio.sleep(choose.uniform(0, 1.2))
    await worker.killed()
    stage.struck("worker killed at any instant")


async def dies_with_redis(stage: Stage, choose: random.Random) -> None:
    """Worker and Redis are killed in one instant."""
    worker = stage.start_worker()
    await worker.ready()
    await asyncio.sleep(choose.uniform(0.3, 1.0))
    await asyncio.gather(worker.killed(), stage.kill_redis(choose.choice([0.0, 0.2])))
    stage.struck("worker and Redis killed together")


async def is_frozen_at_a_place(stage: Stage, choose: random.Random) -> None:
    """A worker stands still with a batch in hand while others take the partition; what it then does must not count."""
    point = choose.choice(["after_read", "after_look_up", "after_plan", "before_commit", "after_heartbeat"])
    worker = stage.start_worker(failpoint=f"{point}:{choose.randint(1, 6)}:stop")
    await worker.ready()
    if await worker.frozen(_PATIENCE_SECONDS):
        # Its connection must hold, or it would not even get to try.
        async with stage.redis_spared:
            await asyncio.sleep(LEASE_MS / 1000 * choose.uniform(1.5, 2.5))
            worker.signal(signal.SIGCONT)
            stage.struck(f"worker frozen at {point} past its lease")
            await asyncio.sleep(choose.uniform(0.2, 0.6))
    await worker.killed()
    stage.struck("worker killed at any instant")


async def is_frozen(stage: Stage, choose: random.Random) -> None:
    """A worker stands still for longer than its lease, wakes, and must not do any harm with what it had in hand."""
    worker = stage.start_worker()
    await worker.ready()
    await asyncio.sleep(choose.uniform(0.5, 1.0))
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(LEASE_MS / 1000 * choose.uniform(1.1, 1.8))
    worker.signal(signal.SIGCONT)
    stage.struck("worker frozen past its lease")
    await asyncio.sleep(choose.uniform(0, 1.5))
    await worker.killed()
    stage.struck("worker killed at any instant")


async def is_cut_off(stage: Stage, choose: random.Random) -> None:
    """A worker's connections break in the middle of replies."""
    worker = stage.start_worker(by_proxy=True)
    await worker.ready()
    before = stage.proxy.cuts
    for _ in range(_CUTS):
        await asyncio.sleep(choose.uniform(0.1, 0.8))
        stage.proxy.cut(choose.choice([0, 0, 1, 3, choose.randint(0, 2_000)]))
    await asyncio.sleep(0.3)
    for _ in range(stage.proxy.cuts - before):
        stage.struck("connection cut in mid-reply")
    await worker.killed()
    stage.struck("worker killed at any instant")


async def has_a_wrong_clock(stage: Stage, choose: random.Random) -> None:
    """A worker whose clock jumps about works like any other until it is killed."""
    worker = stage.start_worker(wrong_clock=True)
    await worker.ready()
    await asyncio.sleep(choose.uniform(1.0, 2.0))
    await worker.killed()
    stage.struck("worker with a jumping clock killed")


async def leaves(stage: Stage, choose: random.Random) -> None:
    """A worker is replaced as a rolling restart does it."""
    worker = stage.start_worker()
    await worker.ready()
    await asyncio.sleep(choose.uniform(0.3, 1.5))
    await worker.left()
    stage.struck("clean leave")


async def kill_redis(stage: Stage, choose: random.Random) -> None:
    """Redis is killed, and starts again on its append-only file at once or after a while."""
    await stage.kill_redis(choose.choice([0.0, 0.0, 0.1, 0.5]))
    stage.struck("Redis killed")


FATES: list[tuple[Fate, int]] = [
    (dies_at_a_place, 12),
    (dies_at_any_instant, 2),
    (dies_with_redis, 2),
    (is_frozen, 1),
    (is_frozen_at_a_place, 4),
    (is_cut_off, 2),
    (has_a_wrong_clock, 1),
    (leaves, 2),
]


async def worker_slot(stage: Stage, seed: str) -> None:
    """One worker after the other, each to its end."""
    choose = random.Random(seed)
    fates, weights = zip(*FATES, strict=True)
    while not stage.enough.is_set():
        await choose.choices(fates, weights)[0](stage, choose)
        stage.look_at_workers()


async def redis_slot(stage: Stage, seed: str, *, freeze: bool) -> None:
    """Redis is killed again and again; once, if asked to, it is frozen for longer than anybody waits for it."""
    choose = random.Random(seed)
    if freeze:
        await asyncio.sleep(choose.uniform(1, 3))
        await stage.freeze_redis(6.0)
        stage.struck("Redis frozen")
    while not stage.enough.is_set():
        await asyncio.sleep(choose.uniform(0.5, 3.0))
        await kill_redis(stage, choose)
