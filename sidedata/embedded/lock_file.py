"""Locks between processes, which the kernel releases when their holder dies, however it dies.

So there are no stale locks, and no process ids that the system could have reused.
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
    """A lock file, open and not yet locked. Two objects on one path exclude each other, in one process as well."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    @staticmethod
    def is_held(path: Path) -> bool:
        """Tell if a process holds the lock; creates nothing where there is no such file.

        Raises:
            OSError: the file can't be opened.
        """
        try:
            file = os.open(path, os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def fileno(self) -> int:
        """The file descriptor, for a child process that inherits the lock."""
        return self._file

    def acquire(self, kind: int = EXCLUSIVE) -> bool:
        """Acquire the lock without waiting; False if another object holds it."""
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def wait(self, seconds: float, pause: float = _PAUSE_SECONDS) -> bool:
        """Try to acquire the lock every `pause` seconds; False if it is not free within `seconds`."""
        limit = time.monotonic() + seconds
        while not self.acquire():
            if time.monotonic() > limit:
                return False
            await asyncio.sleep(pause)
        return True

    def release(self) -> None:
        """Release the lock; it can be acquired again."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which releases the lock unless a child process has inherited it."""
        os.close(self._file)

    def write(self, text: bytes) -> None:
        """Replace the file's content, which processes without the lock can read."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text, 0)

    def read(self) -> bytes:
        """Read the file's content."""
        return os.pread(self._file, _MOST_BYTES, 0)
