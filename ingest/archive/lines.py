"""Event archives: NDJSON lines, gzipped or not, prepared for sending. Pure except for the reading of the file.

A line is readable if it is one JSON object. The worker alone validates the object, so that no recorded event is lost on the way.
`Line.partition` is the organization's, or 0 where the object names no organization: its dead letter needs a partition, too.
"""

import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Raw, Struct

from sidedata.errors import SidedataError, UsageError
from sidedata.events.decode import Event, decode_event
from sidedata.schema.keys import partition_of

MAX_LINE_BYTES: Final = 1 << 20  # an event has 16 KiB at most; a longer line is no event but damage
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_WEEK_US: Final = 7 * 86_400 * 1_000_000

_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class ArchiveError(SidedataError):
    """The rest of the file can't be read; the lines before it were."""


class Line(Struct):
    """A line: its number from 1, its bytes, and the organization that it names, in lower case; `fault` is set if unreadable."""

    number: int
    raw: bytes
    partition: int = 0
    fault: str | None = None
    organization: str | None = None


@contextmanager
def open_file(name: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file named on a command line, `-` for standard input; yields it with its size, None for a pipe.

    Raises:
        UsageError: the file can't be opened.
    """
    if name == "-":
        yield sys.stdin.buffer, None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise UsageError(f"can't open {name}: {error.strerror}") from error
        yield file, Path(name).stat().st_size if file.seekable() else None


def open_archive(file: IO[bytes]) -> IO[bytes]:
    """Return the file's text, decompressed if it is gzipped."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        return gzip.GzipFile(fileobj=buffered)  # type: ignore[return-value]
    return buffered


def read_lines(archive: IO[bytes], partitions: int, shift_days: int = 0) -> Iterator[Line]:
    """Read the lines that are not blank.

    Raises:
        ArchiveError: the file is cut off or damaged.
    """
    number = 0
    try:
        while text := archive.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(text) > MAX_LINE_BYTES and not text.endswith(b"\n"):
                while (rest := archive.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield Line(number, b"", fault=f"longer than {MAX_LINE_BYTES} bytes")
                continue
            raw = (text.removeprefix(_BOM) if number == 1 else text).strip()
            if raw:
                yield _line(number, raw, partitions, shift_days)
    except (EOFError, OSError, zlib.error) as error:
        raise ArchiveError(f"the file can't be read on after line {number}: {error}") from error


def _line(number: int, raw: bytes, partitions: int, shift_days: int) -> Line:
    try:
        raw.decode()
        fields = _OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Half a surrogate pair is JSON by its grammar, so such a line is sent for the worker to judge.
        if not _is_object(raw):
            return Line(number, raw, fault=f"not a JSON object: {error}")
        return Line(number, raw, 0)
    if shift_days and (timestamp := fields.get("timestamp")) is not None:
        fields["timestamp"] = Raw(_shifted(bytes(timestamp), shift_days))
        raw = msgspec.json.encode(fields)
    try:
        organization = msgspec.json.decode(fields.get("organization_id", b""), type=str)
    except msgspec.DecodeError:
        return Line(number, raw, 0)
    organization = organization.lower()
    return Line(number, raw, partition_of(organization, partitions), organization=organization)


def _is_object(raw: bytes) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(raw, parse_int=str, parse_constant=refuse), dict)
    except (ValueError, RecursionError):
        return False


def _shifted(timestamp: bytes, days: int) -> bytes:
    """Move the JSON text of a timestamp by whole days, with the same clock time and offset; other text is unchanged."""
    try:
        day = date.fromisoformat(timestamp[1:11].decode("ascii")) + timedelta(days=days)
    except (ValueError, OverflowError):
        return timestamp
    return timestamp[:1] + day.isoformat().encode() + timestamp[11:]


def newest_us(archive: IO[bytes], partitions: int) -> int | None:
    """Find the time of the newest valid event, in microseconds since the epoch; None without any."""
    newest: int | None = None
    for line in read_lines(archive, partitions):
        if line.fault is None:
            event = decode_event(line.raw)
            if isinstance(event, Event):
                newest = max(newest or event.at_us, event.at_us)
    return newest


def rebase_days(newest: int, now: float) -> int:
    """Compute the days, in whole weeks, to shift so that the newest event lies within the last seven days."""
    return 7 * ((int(now * 1_000_000) - newest) // _WEEK_US)


def instant_text(us: int) -> str:
    """Format an instant for people."""
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat(timespec="seconds")
