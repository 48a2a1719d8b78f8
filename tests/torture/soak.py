"""`make soak`: ten million events through a real worker and a real Redis, whose memory stays where it was; `EVENTS=n` for fewer.

The events have no ids (those are remembered for a day, so memory would rightly grow) and come from a fixed crowd of visitors.
Memory is looked at after a fifth of the events, when caches and sketches have their size, and again and again until the end.
"""

import asyncio
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidedata.schema import keys
from tests.support.events import as_array, interaction, reached, started, view
from tests.support.pipeline import pipeline
from tests.support.processes.worker_process import WorkerProcess
from tests.support.redis.client import Client, connect
from tests.torture.harness import Stage, stage

_VISITORS = 2_000
_ENTRY = 1_000
_WAITING = 100  # entries in the stream at the most
_LOOKS = 10
_GROWTH = 1.10
_SLACK_BYTES = 16 << 20


def entries() -> list[bytes]:
    """A hundred entries of a thousand events, sent over and over."""
    now = datetime.now(UTC)
    made: list[bytes] = []
    for n in range(100):
        raws = []
        for m in range(_ENTRY):
            visitor, at = f"v{(n * 37 + m) % _VISITORS}", now - timedelta(seconds=(n * 13 + m) % 7_200)
            if m == 0:
                raws.append(interaction(at, visitor))
            elif m == 1:
                raws.append(reached(at, visitor))
            else:
                raws.append(started(at, visitor) if m % 4 == 0 else view(at, visitor, f"s{m}"))
        made.append(as_array(raws))
    return made


async def memory(client: Client, worker: WorkerProcess) -> tuple[int, int]:
    """Bytes that Redis uses, and bytes that the worker holds."""
    used = int((await client.info("memory"))["used_memory"])
    status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")  # noqa: ASYNC240 - no disk is behind it
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return used, int(resident.split()[1]) * 1024


async def soak(events: int) -> bool:
    """Check that memory stayed flat and every event was applied once."""
    async with stage(1) as standing, pipeline(standing.server.url, partitions=1) as pipe:
        await pipe.client.config_set("appendfsync", "everysec")
        return await _soaked(standing, pipe.client, events)


async def _soaked(standing: Stage, client: Client, events: int) -> bool:
    worker = standing.start_worker(batch_events=5_000)
    await worker.ready()
    packed, sent, looks = entries(), 0, []
    started_at = time.monotonic()
    wide = connect(standing.server.url, timeout=30)
    try:
        for look in range(_LOOKS):
            while sent < events * (look + 1) // _LOOKS:
                await wide.xadd(keys.keyspace(0).events, {"events": packed[sent // _ENTRY % len(packed)]})
                sent += _ENTRY
                while sent % (10 * _ENTRY) == 0 and await client.xlen(keys.keyspace(0).events) > _WAITING:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            while await client.xlen(keys.keyspace(0).events):  # noqa: ASYNC110 - Redis sends no notification
                await asyncio.sleep(0.01)
            looks.append(await memory(client, worker))
            rate = sent / (time.monotonic() - started_at)
            used, resident = (value / 2**20 for value in looks[-1])
            print(f"{sent:>11,} events, {rate:,.0f}/s, Redis {used:.1f} MiB, worker {resident:.1f} MiB", flush=True)  # noqa: T201
    finally:
        await wide.aclose()
    applied = int(await client.hget(keys.keyspace(0).cursor, "events"))
    flat = all(later <= base * _GROWTH + _SLACK_BYTES for base, later in zip(looks[1], looks[-1], strict=True))
    print(f"{applied:,} applied of {sent:,}; memory {'flat' if flat else 'NOT flat'}")  # noqa: T201
    return flat and applied == sent


def main() -> int:
    """0 when memory is flat."""
    return 0 if asyncio.run(soak(int(os.environ.get("EVENTS") or 10_000_000))) else 1


if __name__ == "__main__":
    sys.exit(main())
