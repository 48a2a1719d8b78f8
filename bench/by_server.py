"""The cost of the same work on different servers: memory of a month, processor time of a commit and of a cold report.

    python -m bench.by_server /path/to/redis-server /path/to/valkey-server …

The table is that of docs/SERVERS.md. Three rounds, the servers in turn; medians. Times are those of the server's main thread.
"""

import asyncio
import os
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from bench.figures import Rounds
from bench.redis_time import RedisTime
from bench.scale import DAYS, SEED, happenings, used
from sidedata.clock import SystemClock
from sidedata.ingest.worker.drain import drain
from sidedata.schema import keys
from sidedata.service.report.reports import Reports
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from tests.support.redis.client import connect
from tests.support.redis.servers import VARIABLE, RedisServer

_ROUNDS = 3
_A_DAY = 1_000
_BATCH = 1_000
_REPORTS = 5
_KINDS = ("page_navigation", "interaction")
_SETTINGS = Settings(secret="a secret for measuring", partitions=1, batch_events=_BATCH)  # noqa: S106 - it guards nothing


def main() -> None:
    """Print the table of the servers that the arguments name."""
    rounds, names = Rounds(), {}
    for _ in range(_ROUNDS):
        for binary in sys.argv[1:]:
            os.environ[VARIABLE] = binary
            names[binary] = asyncio.run(_round(binary, rounds))
    print(
        "| server | allocator | a month of page views | of interactions | a commit of 1,000 page views | a cold report |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for binary, name in names.items():
        memory = [f"{rounds.median(f'{binary} memory {kind}') / 1e6:.2f} MB" for kind in _KINDS]
        commit = f"{rounds.median(f'{binary} commit page_navigation') / 1000:.1f} ms"
        report = f"{rounds.median(f'{binary} report page_navigation') / 1000:.1f} ms"
        print(f"| {name} | {' | '.join([*memory, commit, report])} |")


async def _round(binary: str, rounds: Rounds) -> str:
    """Measure one server; its name, version and allocator."""
    server = RedisServer(guarded=False)
    server.start()
    client = connect(server.url, timeout=60)
    admin: Any = redis.Redis.from_url(server.url, protocol=2)
    try:
        installation = await open_installation(client, _SETTINGS)
        await drain(client, installation, _SETTINGS)
        for number, kind in enumerate(_KINDS):
            organization = f"aaaaaaaa-0000-4000-8000-{number:012}"
            workflow = f"bbbbbbbb-0000-4000-8000-{number:012}"
            before = used(admin)
            raws = list(happenings(kind, workflow, organization, _A_DAY, random.Random(SEED)))
            for first in range(0, len(raws), _BATCH):
                await client.xadd(keys.keyspace(0).events, {"events": f"[{','.join(raws[first : first + _BATCH])}]"})
            time = RedisTime(admin)
            await drain(client, installation, _SETTINGS)
            rounds.add(f"{binary} commit {kind}", time.cpu_us() / (len(raws) / _BATCH))
            rounds.add(f"{binary} memory {kind}", used(admin) - before)
            now = datetime.now(UTC)
            time = RedisTime(admin)
            for _ in range(_REPORTS):
                reports = Reports(client, installation, _SETTINGS, SystemClock())
                await reports.answer(organization, workflow, now - timedelta(days=DAYS), now)
            rounds.add(f"{binary} report {kind}", time.cpu_us() / _REPORTS)
        return _name(admin.info("server"), admin.info("memory"))
    finally:
        admin.close()
        await client.aclose()
        server.close()


def _name(server: dict[str, Any], memory: dict[str, Any]) -> str:
    version = f"Valkey {server['valkey_version']}" if "valkey_version" in server else f"Redis {server['redis_version']}"
    return f"{version} | {memory['mem_allocator']}"


if __name__ == "__main__":
    main()
