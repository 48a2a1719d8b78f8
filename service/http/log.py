"""The log on stderr, a JSON object a line.

The lines of requests are many and have one shape, so they are made without a `LogRecord` and written together at the end of the
event loop's round: a thousand requests a second are some dozens of writes. Whatever else is said is written at once, and what
waits goes out before it; a process that ends writes what is left.
"""

import asyncio
import atexit
import logging
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import BinaryIO

import orjson

REQUEST_LOG = logging.getLogger("sidedata.request")


@lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_epoch))


def _at(ms: int) -> str:
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=2)
def _beginning(ms: int) -> bytes:
    """What the line of a request begins with; those of one millisecond share it."""
    line = {"at": _at(ms), "level": "INFO", "logger": REQUEST_LOG.name, "message": "request"}
    return orjson.dumps(line)[:-1] + b","


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and what `extra={"facts": {…}}` adds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "at": _at(int(record.created * 1000)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class JsonLines(logging.Handler):
    """Writes lines to a file of bytes."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._file = file
        self._waiting: list[bytes] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line, behind those that wait."""
        try:
            self._waiting.append(self.format(record).encode() + b"\n")
            self.flush()
        except Exception:  # noqa: BLE001 - logging's own rule: a log that fails must not take the program along
            self.handleError(record)

    def request(self, facts: Mapping[str, object]) -> None:
        """Write a request's line soon; called from the event loop."""
        said = orjson.dumps(facts, default=str, option=orjson.OPT_APPEND_NEWLINE)
        line = _beginning(time.time_ns() // 1_000_000) + said[1:]
        self.acquire()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(line)
        self.release()

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            waiting, self._waiting = self._waiting, []
            if waiting:
                self._file.write(b"".join(waiting))
                self._file.flush()
        finally:
            self.release()


_lines: JsonLines | None = None


def log_to_stderr(level: str) -> None:
    """Send all log records of the process to stderr, a JSON object a line."""
    global _lines  # noqa: PLW0603 - a process has one stderr, as it has one root logger
    _lines = JsonLines(sys.stderr.buffer)
    atexit.register(_lines.flush)
    logging.basicConfig(level=level, handlers=[_lines], force=True)
    # asyncio warns of slow callbacks at INFO in debug mode only; its errors are ours to see.
    logging.getLogger(asyncio.__name__).setLevel(logging.WARNING)


def log_request(facts: Mapping[str, object]) -> None:
    """The line of a request, if anybody wants it."""
    if not REQUEST_LOG.isEnabledFor(logging.INFO):
        return
    if _lines is not None:
        _lines.request(facts)
        return
    record = logging.LogRecord(REQUEST_LOG.name, logging.INFO, "", 0, "request", None, None)
    record.facts = facts
    REQUEST_LOG.handle(record)
