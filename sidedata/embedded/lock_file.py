"""Locks between processes that the kernel lets go when their holder dies, however it dies.

So there is no stale lock, and no process id has to be told from one that was given out again.
"""

import asyncio
import fcntl
import os
import time
from pathlib import Path
from typing import Final

EXCLUSIVE: Final = fcntl.LOCK_EX
SHARED: Final = fcntl.LOCK_SH
_PAUSE_SECONDS: Final = 0.02
_MOST_BYTES: Final = 4096  # the longest path there is


class LockFile:
    """Opened, not yet taken. Two objects on one path exclude each other, in one process as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def fileno(self) -> int:
        """The open file, to be handed to a child that is to hold the lock on."""
        return self._file

    def take(self, kind: int = EXCLUSIVE) -> bool:
        """Take it at once, or not."""
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def wait(self, seconds: float, pause: float = _PAUSE_SECONDS) -> bool:
        """Take it as soon as it is free, looked at every `pause` seconds; False if it isn't within `seconds`."""
        limit = time.monotonic() + seconds
        while not self.take():
            if time.monotonic() > limit:
                return False
            await asyncio.sleep(pause)
        return True

    def release(self) -> None:
        """Let it go; it can be taken again."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let it go for good; a process that inherited it holds it on."""
        os.close(self._file)

    def write(self, text: bytes) -> None:
        """Say something to those who find it taken."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text, 0)

    def read(self) -> bytes:
        """What its holder wrote."""
        return os.pread(self._file, _MOST_BYTES, 0)
