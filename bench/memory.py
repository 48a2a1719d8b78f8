"""Memory: of a workflow's month and of deduplication ids in Redis, and of a service process that is asked about everything."""

import random
import re
import subprocess
import time
from pathlib import Path

from bench.asking import Asker
from bench.data import DAY_US, WORKFLOWS
from bench.figures import Table, short
from bench.servers import BenchWorld
from bench.wire import Names
from sidedata.schema import keys

_MB = 1 << 20
_AT_ONCE = 5_000
_LEVEL = re.compile(rb"^sd:\{\d+\}:(5min|hour|day):")
_START = re.compile(rb":(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?Z):")
_CACHES = (16, 64)  # MB
_REPORTS = 20 * WORKFLOWS


class Memory:
    """Collects the memory table."""

    def __init__(self, world: BenchWorld) -> None:
        self._world = world
        self.table = Table("memory")

    def _sizes(self, pattern: str) -> dict[bytes, int]:
        """Bytes of all keys of a pattern, every element counted."""
        client = self._world.redis
        found = list(client.scan_iter(match=pattern, count=10_000))
        sizes: dict[bytes, int] = {}
        for first in range(0, len(found), _AT_ONCE):
            pipeline = client.pipeline(transaction=False)
            part = found[first : first + _AT_ONCE]
            for key in part:
                pipeline.execute_command("MEMORY", "USAGE", key, "SAMPLES", 0)
            sizes |= {key: size for key, size in zip(part, pipeline.execute(), strict=True) if size}
        return sizes

    def ids(self, partition: int, events: int) -> None:
        """Measure the memory of a number of stored ids in one partition."""
        total = sum(self._sizes(keys.keyspace(partition).ids(0, 0).replace(":0:0:", ":*").replace("{", r"\{")).values())
        each = total / events
        self.table.add(
            f"deduplication ids, {events:,} in a partition", "12 bytes", f"{each:.1f} bytes", each <= 12, "MEMORY USAGE"
        )

    def workflow(self, what: str, names: Names, rank: int, most_mb: float | None) -> None:
        """All that is stored of a workflow, of its buckets those of 30 days."""
        oldest = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() - 30 * 86_400)).encode()
        by_level: dict[str, int] = {}
        counted = 0
        for key, size in self._sizes(f"*{names.workflows[rank]}*").items():
            level, start = _LEVEL.match(key), _START.search(key)
            if start and start[1] < oldest:
                continue
            name = level[1].decode() if level else "records"
            by_level[name] = by_level.get(name, 0) + size
            counted += 1
        total = sum(by_level.values()) / _MB
        source = f"{counted:,} keys: " + ", ".join(
            f"{level} {short(size / _MB)} MB" for level, size in sorted(by_level.items())
        )
        target = "" if most_mb is None else f"{most_mb} MB"
        met = None if most_mb is None else total <= most_mb
        self.table.add(f"a month of the {what}", target, f"{total:.2f} MB", met, source)

    def service(self, names: Names) -> None:
        """A process that is asked for random reports of all workflows, with little and with more room."""
        for cache_mb in _CACHES:
            process, port = self._world.serve(cache_mb=cache_mb)
            asker = Asker(port, self._world.token())
            asker.ping()
            resident = [_resident(process)]
            rng = random.Random(1)
            now = time.time_ns() // 1000
            for _ in range(2):
                for number in range(_REPORTS // 2):
                    end = now - int(rng.uniform(0, 50) * DAY_US)
                    asker.patient_report(self._world.path(names, number % WORKFLOWS), end - 30 * DAY_US, end)
                resident.append(_resident(process))
            fresh, half, whole = resident
            lines = [line for line in asker.text("/metrics").splitlines() if line.startswith("sidedata_cache")]
            source = f"{fresh:.0f} MB when fresh; " + ("; ".join(lines) or "no metric of its cache")
            self.table.add(
                f"service process, `SIDEDATA_CACHE_MB={cache_mb}`, {_REPORTS:,} reports of {WORKFLOWS} workflows",
                "bounded (second half: 5 %)",
                f"{half:.0f}, then {whole:.0f} MB",
                whole <= 1.05 * half,
                source,
            )
            asker.close()
            self._world.stop(process)


def _resident(process: subprocess.Popen[bytes]) -> float:
    """Megabytes in memory now."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
