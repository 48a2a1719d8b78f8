"""The log on stderr: a JSON object per line, the same for service and worker.

Each line has `at` (UTC, to the millisecond), `level`, `logger` and `message`, the fields of `extra={"fields": {…}}`, and
`exception` with a traceback if there is one.
"""

import asyncio
import atexit
import logging
import sys
import time
from collections import deque
from functools import lru_cache
from types import TracebackType
from typing import BinaryIO

import orjson

from sidedata.redaction import redact

# A busy service writes some hundred lines at once then; a SIGKILL loses the lines of this time.
_TOGETHER_SECONDS = 0.01


@lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_epoch))


def head(ms: int, level: str, logger: str, message: str) -> dict[str, object]:
    """The fields that begin every line; `ms` is the time since the epoch."""
    at = f"{_second(ms // 1000)}.{ms % 1000:03d}Z"
    return {"at": at, "level": level, "logger": logger, "message": message}


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line break."""
        line = head(int(record.created * 1000), record.levelname, record.name, redact(record.getMessage()))
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


class JsonHandler(logging.Handler):
    """Writes records to a binary file, each at once; lines of `write_later` are written together, in order with records."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._file = file
        self._lines: deque[bytes] = deque()  # appended to and taken from without the lock, by any thread
        self._flush_is_due = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, and all lines that are still buffered before it."""
        try:
            self._lines.append(self.format(record).encode() + b"\n")
            self.flush()
        except Exception:  # noqa: BLE001 - the rule of `logging`: an error in the log must not stop the program
            self.handleError(record)

    def write_later(self, line: bytes) -> None:
        """Buffer a line for some milliseconds; to be called from the thread of the event loop."""
        self._lines.append(line)
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_later(_TOGETHER_SECONDS, self._flush_late)

    def _flush_late(self) -> None:
        self._flush_is_due = False
        self.flush()

    def flush(self) -> None:
        """Write all buffered lines."""
        self.acquire()
        try:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if lines:
                self._file.write(b"".join(lines))
                self._file.flush()
        finally:
            self.release()


_handler: JsonHandler | None = None


def stderr_handler() -> JsonHandler | None:
    """The handler of `log_to_stderr`; None in a process that has not called it."""
    return _handler


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("sidedata").critical("the process ends by a bug", exc_info=(kind, error, trace))


def log_to_stderr(level: str) -> None:
    """Send all log records of the process to stderr, and warnings and the traceback of a crash as such records."""
    global _handler  # noqa: PLW0603 - a process has one stderr, as it has one root logger
    _handler = JsonHandler(sys.stderr.buffer)
    atexit.register(_handler.flush)
    logging.basicConfig(level=level, handlers=[_handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash
    # Below WARNING asyncio logs only which selector it uses.
    logging.getLogger(asyncio.__name__).setLevel(logging.WARNING)
