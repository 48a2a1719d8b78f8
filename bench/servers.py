"""The processes of a measurement: a Redis of its own on a private socket, and what runs against it. All end with the world."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import redis

from bench.load import Done, Load
from bench.wire import Names
from sidedata.embedded.server_binary import find_servers
from sidedata.schema import keys

SECRET: Final = "the secret of a benchmark"  # noqa: S105 - it guards nothing
_LISTENING = re.compile(rb"listening on http://127\.0\.0\.1:([0-9]+)")
_START_SECONDS = 30.0
# What the installed command does, without asking where it is installed.
_SIDEDATA = "from sidedata.cli.main import main; main()"
_REPORT = "/api/reporting/workflow/v1/orgs/{}/workflows/{}/sidedata/"


class BenchWorld:
    """A Redis without persistence, and processes that use it; with what was kept of an earlier world, if there is any.

    Args:
        command: the `sidedata` command of another build; this one's own without it.
        server: the server's executable file; the first one at hand without it.
        arguments: of the server, beyond those that every world gives.
    """

    def __init__(
        self,
        partitions: int = 16,
        kept: Path | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-c", _SIDEDATA),
        server: str | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.partitions = partitions
        self._command = command
        self._server = server or find_servers()[0].path
        self._arguments = arguments
        self.directory = Path(tempfile.mkdtemp(prefix="sidedata-bench-"))
        self.url = f"unix://{self.directory / 's'}"
        # Saving what is kept takes longer than the client waits for anything by itself.
        self.redis: Any = redis.Redis.from_url(self.url, socket_timeout=120)
        self._kept = kept
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = ""

    def __enter__(self) -> Self:
        if self._kept is not None and self._kept.exists():
            shutil.copyfile(self._kept, self.directory / "dump.rdb")
        arguments = ["--port", "0", "--unixsocket", str(self.directory / "s"), "--dir", str(self.directory)]
        self.start(self._server, *arguments, "--save", "", "--appendonly", "no", *self._arguments)
        limit = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.redis.ping()
            except (redis.ConnectionError, redis.BusyLoadingError):
                if time.monotonic() > limit:
                    raise
                time.sleep(0.01)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            self.stop(process)
        self.redis.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def was_kept(self) -> bool:
        """Tell if the server began with the data of an earlier run."""
        return self._kept is not None and self._kept.exists()

    def keep(self) -> None:
        """Put the data aside for later worlds, if they are to have it."""
        if self._kept is not None:
            self.redis.save()
            shutil.copyfile(self.directory / "dump.rdb", self._kept)

    def names(self, partition: int = 0) -> Names:
        """The organization that stands for a partition."""
        return Names(partition, self.partitions)

    def path(self, names: Names, rank: int = 0) -> str:
        """Where to ask for a workflow's report."""
        return _REPORT.format(names.organization, names.workflows[rank])

    # --- processes -------------------------------------------------------------------------------------------------------

    def start(self, *command: str, **settings: str | int) -> subprocess.Popen[bytes]:
        """Start a process; settings are its environment."""
        process = subprocess.Popen(
            command,
            env=self._environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def _environment(self, settings: dict[str, str | int]) -> dict[str, str]:
        # The variables of the caller's environment must not change the benchmark.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SIDEDATA_", "PYTHON"))
        }
        given = {
            "redis_url": self.url,
            "secret": SECRET,
            "partitions": self.partitions,
            "port": 0,
            "worker_port": 0,
            "backlog_limit": 10_000_000,
            **settings,
        }
        return environment | {f"SIDEDATA_{name.upper()}": str(value) for name, value in given.items()}

    def python(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a module of this package."""
        return self.start(sys.executable, "-m", module, *map(str, arguments))

    def sidedata(self, *arguments: str, **settings: str | int) -> subprocess.Popen[bytes]:
        """Start a command of sidedata's."""
        return self.start(*self._command, *arguments, **settings)

    def serve(self, *arguments: str, **settings: str | int) -> tuple[subprocess.Popen[bytes], int]:
        """Start a service; it listens on the port."""
        process = self.sidedata("serve", *arguments, **settings)
        return process, port_of(process)

    def output(self, process: subprocess.Popen[bytes]) -> str:
        """The output of a process until its end."""
        assert process.stdout is not None  # noqa: S101 - opened above
        said = process.stdout.read().decode().strip()
        if process.wait():
            raise RuntimeError(f"{process.args!r} failed")
        return said

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End it, in order if it can."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self._processes:
            self._processes.remove(process)

    # --- what is asked of them -------------------------------------------------------------------------------------------

    def token(self) -> str:
        """A token for everything."""
        if not self._token:
            scopes = ("--scope", "reports", "--scope", "ingest")
            self._token = self.output(self.sidedata("token", "create", "--org", "all", *scopes))
        return self._token

    def load(self, load: Load) -> Done:
        """Run the load generator."""
        ran = subprocess.run(
            [sys.executable, "-m", "bench.load"], input=msgspec.json.encode(load), stdout=subprocess.PIPE, check=True
        )
        done = msgspec.json.decode(ran.stdout, type=Done)
        if done.faults:
            raise RuntimeError(f"{load.path}: {done.faults[0]}")
        return done

    def applied(self, partitions: int = 1) -> int:
        """Events applied in the first partitions."""
        return sum(int(self.redis.hget(keys.keyspace(p).cursor, "events") or 0) for p in range(partitions))

    def wait_applied(self, events: int, partitions: int = 1, seconds: float = 1800) -> None:
        """Wait until that number of events is applied.

        Raises:
            TimeoutError: they were not in time.
        """
        limit = time.monotonic() + seconds
        while self.applied(partitions) < events:
            if time.monotonic() > limit:
                raise TimeoutError(f"{self.applied(partitions)} of {events} events applied")
            time.sleep(0.02)

    def drained(self, partitions: int = 1) -> None:
        """Wait until no entry is left."""
        while any(self.redis.xlen(keys.keyspace(p).events) for p in range(partitions)):
            time.sleep(0.05)


def port_of(process: subprocess.Popen[bytes]) -> int:
    """The port that a process says it listens on."""
    assert process.stdout is not None  # noqa: S101 - opened above
    for line in process.stdout:
        if match := _LISTENING.search(line):
            return int(match[1])
    raise RuntimeError(f"{process.args!r} ended before it listened")
