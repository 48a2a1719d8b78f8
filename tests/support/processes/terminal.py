"""Commands run on a terminal of 80 columns, in a process of their own."""

import os
import pty
import select
import subprocess
import sys
import time
from typing import Self

from tests.support.processes.command_line import LIMIT_SECONDS


class Terminal:
    """A `sidedata` command on a terminal; leaving the context ends it."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidedata.cli.main", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **variables},
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._ours)

    def until(self, text: str) -> None:
        """Read until the text has been printed."""
        limit = time.monotonic() + LIMIT_SECONDS
        while text not in self.text:
            assert time.monotonic() < limit, self.text
            assert self._read() or text in self.text, self.text

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._ours, f"{text}\n".encode())

    def end(self) -> int:
        """Read to the end; returns the exit status."""
        limit = time.monotonic() + LIMIT_SECONDS
        while self._read():
            assert time.monotonic() < limit, self.text
        return self.process.wait(LIMIT_SECONDS)

    def _read(self) -> bool:
        """Read what is there; False at the end."""
        if not select.select([self._ours], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the way in which Linux ends a terminal
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
