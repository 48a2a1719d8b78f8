"""The spread of work over workers, by simulation; and the memory of a workflow, by measurement.

    python -m bench.scale             skew of partitions, workers and cluster nodes
    python -m bench.scale --memory    bytes for each workflow and month, on a Redis of its own

The tables are those of docs/SCALING.md.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from sidedata.ingest.worker.drain import drain
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from tests.support.redis.client import connect
from tests.support.redis.servers import RedisServer

ROUNDS = 20
DAYS = 30
SEED = 20261123


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of simulating skew")
    if parser.parse_args().memory:
        asyncio.run(memory())
    else:
        skew()
        slots()


# --- skew ---


def organizations(count: int, exponent: float, dice: random.Random) -> Iterator[tuple[str, float]]:
    """Organizations and their shares of all events: the n-th largest has 1 / n ** exponent of the largest's."""
    weights = np.arange(1, count + 1, dtype=float) ** -exponent
    for share in weights / weights.sum():
        yield str(UUID(int=dice.getrandbits(128), version=4)), float(share)


def loads(partitions: int, count: int, exponent: float, dice: random.Random) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Each partition's share of all events."""
    load = np.zeros(partitions)
    for organization, share in organizations(count, exponent, dice):
        load[keys.partition_of(organization, partitions)] += share
    return load


def hottest(load: np.ndarray[Any, np.dtype[np.float64]], workers: int, dice: random.Random) -> float:
    """The share of the busiest worker, where each owns equally many partitions, whichever they are."""
    dealt = list(load)
    dice.shuffle(dealt)
    return float(max(sum(dealt[worker::workers]) for worker in range(workers)))


def skew() -> None:
    """The share of the workers' time that is used when the busiest worker is at its limit."""
    print("Zipf  organizations  partitions  largest organization  busiest partition  usable of 2, 4, 8, 16, 64 workers")
    for exponent in (0.8, 1.0, 1.2):
        for count in (100, 10_000):
            for partitions in (16, 64, 256, 1024):
                dice = random.Random(SEED)
                drawn = [loads(partitions, count, exponent, dice) for _ in range(ROUNDS)]
                largest = next(share for _, share in organizations(count, exponent, dice))
                usable = [
                    float(np.mean([1 / workers / hottest(load, workers, dice) for load in drawn]))
                    if workers <= partitions
                    else 0.0
                    for workers in (2, 4, 8, 16, 64)
                ]
                busiest = float(np.mean([load.max() for load in drawn]))
                columns = "  ".join(f"{part:5.0%}" if part else "    -" for part in usable)
                print(f"{exponent:4}  {count:13,}  {partitions:10,}  {largest:20.1%}  {busiest:17.1%}  {columns}")


def slots() -> None:
    """The number of partitions of each node of a cluster, with slots cut into equal ranges."""
    print("\npartitions  nodes  fewest  most  usable")
    for partitions in (16, 64, 256, 1024, 4096):
        slot = np.array([key_slot(str(partition).encode()) for partition in range(partitions)])
        for nodes in (3, 6, 12, 24):
            if nodes > partitions:
                continue
            held = np.bincount(slot * nodes // REDIS_CLUSTER_HASH_SLOTS, minlength=nodes)
            print(
                f"{partitions:10,}  {nodes:5}  {held.min():6}  {held.max():4}  {partitions / nodes / held.max():6.0%}"
            )


# --- memory ---

GOALS = [f"cccccccc-0000-4000-8000-{number:012}" for number in range(3)]


def happenings(kind: str, workflow: str, organization: str, a_day: int, dice: random.Random) -> Iterator[str]:
    """A month of a workflow: visitors come back every few days, days are busier than nights."""
    now = datetime.now(UTC)
    visitors = max(1, a_day * 5)
    for day in range(DAYS):
        for _ in range(a_day):
            hour = min(23, max(0, round(dice.gauss(14, 4))))
            at = now - timedelta(days=day, hours=(now.hour - hour) % 24, seconds=dice.randrange(3600))
            visitor = f"visitor-{dice.randrange(visitors)}"
            fields: dict[str, Any] = {"organization_id": organization, "timestamp": at.isoformat()}
            fields |= {"visitor_id": visitor, "session_id": f"{visitor}-{day}", "type": "page_view"}
            if kind == "interaction":
                fields["type"] = dice.choices(
                    ["workflow_started", "interaction", "goal_triggered", "goal_reached"], [50, 35, 10, 5]
                )[0]
            if fields["type"].startswith("goal"):
                fields["goal"] = {"uuid": dice.choice(GOALS), "name": "System: Visitor purchased"}
            if fields["type"] == "goal_reached":
                fields["purchase"] = {"value": "19.90", "currency": "EUR"}
            else:
                fields["workflow_id"] = workflow
            yield json.dumps(fields)


async def memory() -> None:
    """Fill a Redis with a month of some workflows and see what it takes."""
    print("                               KB a month, of that                              KB with")
    print(
        "kind             events a day     total  visitors     5 min     hours      days  400 days    keys  events/s applied"
    )
    settings = Settings(secret="a secret for measuring", partitions=16)  # noqa: S106 - it guards nothing
    for kind in ("page_navigation", "interaction"):
        for a_day, workflows in ((10, 50), (100, 20), (1_000, 5), (10_000, 1)):
            server = RedisServer()
            server.start()
            client = connect(server.url, timeout=60)
            try:
                installation = await open_installation(client, settings)
                await drain(client, installation, settings)
                admin = redis.Redis.from_url(server.url)
                before = used(admin)
                dice = random.Random(SEED)
                seconds = 0.0
                for number in range(workflows):
                    organization = f"aaaaaaaa-0000-4000-8000-{number:012}"
                    stream = keys.keyspace(installation.partition_of(organization)).events
                    raws = list(happenings(kind, f"bbbbbbbb-0000-4000-8000-{number:012}", organization, a_day, dice))
                    for first in range(0, len(raws), 1000):
                        await client.xadd(stream, {"events": f"[{','.join(raws[first : first + 1000])}]"})
                    start = time.perf_counter()
                    await drain(client, installation, settings)
                    seconds += time.perf_counter() - start
                count = admin.dbsize()
                total = used(admin) - before
                # All arrived today and is remembered for two days; in a steady flow that is two days' worth.
                arrived = freed(admin, "sd:*:visitor:*")
                state = arrived * 2 // DAYS
                total -= arrived - state
                five_minutes = freed(admin, "sd:*:5min:*")
                hours = freed(admin, "sd:*:hour:*")
                days = freed(admin, "sd:*:day:*")
                # Of hours 35 days are kept, of days 400; the month has had all of its 48 hours and visitors' state.
                year = total + hours * (35 - DAYS) // DAYS + days * (400 - DAYS) // DAYS
                rate = a_day * DAYS * workflows / seconds
                parts = "  ".join(
                    f"{part / workflows / 1000:8,.0f}" for part in (total, state, five_minutes, hours, days, year)
                )
                print(f"{kind:15}  {a_day:12,}  {parts}  {count // workflows:6,}  {rate:16,.0f}")
            finally:
                await client.aclose()
                server.close()


def freed(admin: Any, pattern: str) -> int:  # noqa: ANN401 - its replies are as untyped as they come
    """Delete the keys that match; the bytes that they took."""
    names = list(admin.scan_iter(match=pattern, count=1000))
    before = used(admin)
    for first in range(0, len(names), 1000):
        admin.delete(*names[first : first + 1000])
    return before - used(admin)


def used(admin: Any) -> int:  # noqa: ANN401 - its replies are as untyped as they come
    """Bytes that the data takes."""
    return int(admin.info("memory")["used_memory_dataset"])


if __name__ == "__main__":
    main()
