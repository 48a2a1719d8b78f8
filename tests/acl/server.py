"""Redis as deploy/ starts it: its script, configuration and list of users, but for port, socket and directory."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from tests.servers import find_binary, version_text

DEPLOY = Path(__file__).parents[2] / "deploy"
USERS = ("service", "worker", "producer", "operator", "monitor", "replica", "admin")
_START_SECONDS = 20.0


def version() -> tuple[int, ...]:
    """The version of the server that would be started."""
    found = re.search(r"v=(\d+)\.(\d+)", version_text(find_binary()))
    assert found is not None
    return tuple(map(int, found.groups()))


def password(user: str) -> str:
    """The user's password here."""
    return f"password-of-{user}"


class GuardedServer:
    """One server with all users; passwords of half of them come by file, those of the others by the environment."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="sidedata-acl-"))
        self._socket = self.directory / "s"
        self._process: subprocess.Popen[bytes] | None = None
        binaries, secrets, self._data = (self.directory / name for name in ("bin", "secrets", "data"))
        for made in (binaries, secrets, self._data):
            made.mkdir()
        # The script runs whatever is called redis-server; here it is the server that all tests run with.
        (binaries / "redis-server").symlink_to(find_binary())
        self.environment = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "ACL_TEMPLATE": str(DEPLOY / "users.acl"),
            "ACL_FILE": str(self.directory / "users.acl"),
            "ACL_PASSWORDS": f"{secrets}/",
        }
        for user in USERS[::2]:
            (secrets / user).write_text(password(user) + "\n")
        for user in USERS[1::2]:
            self.environment[f"REDIS_PASSWORD_{user.upper()}"] = password(user)

    def start(self) -> None:
        """Start it and wait until it answers."""
        arguments = ("--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._data))
        log = self.directory / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["sh", str(DEPLOY / "redis-start.sh"), "run", str(DEPLOY / "redis.conf"), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        limit = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url("monitor")) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
            return False

    def url(self, user: str, secret: str = "") -> str:
        """The address for a user, as SIDEDATA_REDIS_URL would have it."""
        return f"unix://{user}:{secret or password(user)}@{self._socket}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def restart(self) -> None:
        """Kill it as a crash would and start it on what it had written."""
        self._kill()
        self.start()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and remove what it wrote."""
        self._kill()
        shutil.rmtree(self.directory, ignore_errors=True)
