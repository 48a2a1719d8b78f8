"""Processor time of processes: what is compared on a shared machine, where time by the clock lies."""

import os
import subprocess
from pathlib import Path

from bench.redis_time import RedisTime
from bench.servers import BenchWorld

_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """Read the processor time of all threads of a process so far, by the operating system's count."""
    # The name in parentheses may hold blanks; user and system time are the 12th and 13th field behind it.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Span:
    """A span of the work of a process and of Redis, from now on; per event, in microseconds."""

    def __init__(self, world: BenchWorld, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._redis = RedisTime(world.redis)
        self._start = processor_seconds(process.pid)

    def per_event(self, events: int) -> dict[str, float]:
        """The figures since: `worker µs`, `Redis µs` of its main thread, `commands µs` of what processes sent."""
        return {
            "worker µs": (processor_seconds(self._process.pid) - self._start) * 1e6 / events,
            "Redis µs": self._redis.cpu_us() / events,
            "commands µs": self._redis.commands_us() / events,
        }
