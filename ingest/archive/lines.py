"""Event archives: NDJSON lines, gzipped or not, prepared for sending. Pure except for the reading of the file.

A line is readable if it is one JSON object. The worker alone validates the object, so that no recorded event is lost on the way.
`Line.partition` is the organization's, or 0 where the object names no organization: its dead letter needs a partition, too.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Raw, Struct

from sidedata.errors import SidedataError, UsageError
from sidedata.events.decode import Event, decode_event
from sidedata.events.lenient import BLANKS, BOM, parse_object, trim
from sidedata.events.rejection import Rejection
from sidedata.events.rewrite import with_field
from sidedata.events.timestamps import microseconds
from sidedata.schema.keys import partition_of

MAX_LINE_BYTES: Final = 1 << 20  # an event has 16 KiB at most; a longer line is no event but damage
_BUFFER_BYTES: Final = 1 << 18  # the default of 8 KiB costs a read for every 30 lines
_GZIP_MAGIC: Final = b"\x1f\x8b"
_WEEK_US: Final = 7 * 86_400 * 1_000_000

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_OPTIONAL_TEXT: Final[msgspec.json.Decoder[str | None]] = msgspec.json.Decoder(str | None)


class ArchiveError(SidedataError):
    """The rest of the file can't be read; the lines before it were."""


class Line(Struct, gc=False):
    """A line: its number from 1, its bytes, and the organization that it names, in lower case; `problem` is set if unreadable."""

    number: int
    raw: bytes
    partition: int = 0
    problem: str | None = None
    organization: str | None = None
    event: Event | None = None  # where it was decoded already


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
            file = stack.enter_context(Path(name).open("rb", buffering=_BUFFER_BYTES))
        except OSError as error:
            raise UsageError(f"can't open {name}: {error.strerror}") from error
        yield file, Path(name).stat().st_size if file.seekable() else None


def open_archive(file: IO[bytes]) -> IO[bytes]:
    """Return the file's text, decompressed if it is gzipped."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        return gzip.GzipFile(fileobj=buffered)  # type: ignore[return-value]
    return buffered


def read_lines(archive: IO[bytes], partitions: int, shift_days: int = 0, *, needs_time: bool = False) -> Iterator[Line]:
    """Read the lines that are not blank.

    Args:
        shift_days: days by which timestamps move on; text that is no timestamp stays as it is.
        needs_time: an event without a timestamp is unreadable. Its time is that of its arrival, which an archive doesn't tell.

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
                yield Line(number, b"", problem=f"longer than {MAX_LINE_BYTES} bytes")
                continue
            raw = text.strip(BLANKS)
            if raw.startswith(BOM):
                raw = trim(raw)
            if not raw:
                continue
            event = decode_event(raw) if raw.startswith(b"{") and not shift_days else None
            # Nearly all lines are events; others, and those that are rewritten, take three times as long.
            if type(event) is Event and not (needs_time and event.defaults):
                organization = event.organization_id
                yield Line(number, raw, partition_of(organization, partitions), None, organization, event)
            else:
                yield _line(number, raw, partitions, shift_days, needs_time=needs_time)
    except (EOFError, OSError, zlib.error) as error:
        raise ArchiveError(f"the file can't be read on after line {number}: {error}") from error


def _line(number: int, raw: bytes, partitions: int, shift_days: int, *, needs_time: bool) -> Line:
    fields: dict[str, Raw] | None = None
    try:
        if not raw.isascii():
            raw.decode()
        fields = _OBJECT.decode(raw)
        organization, timestamp = _text(fields.get("organization_id")), _text(fields.get("timestamp"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # No object, or one that the decoder can't step over, such as with half of a surrogate pair.
        parsed = parse_object(raw)
        if isinstance(parsed, Rejection):
            detail = parsed.detail if parsed.reason != "invalid_json" else f"not a JSON object: {parsed.detail}"
            return Line(number, raw, problem=detail)
        organization, timestamp = _encodable(parsed.get("organization_id")), parsed.get("timestamp")
    line = Line(number, raw)
    if organization is not None:
        line.organization = organization.lower()
        line.partition = partition_of(line.organization, partitions)
    if needs_time and timestamp is None:
        line.problem = "no timestamp: such an event counts at the time of its arrival, which an archive doesn't tell"
    elif shift_days and type(timestamp) is str and (shifted := _shifted(timestamp, shift_days)):
        if fields is None:
            line.raw = with_field(raw, "timestamp", shifted)
        else:
            fields["timestamp"] = Raw(msgspec.json.encode(shifted))
            line.raw = msgspec.json.encode(fields)
    return line


def _text(raw: Raw | None) -> str | None:
    """The text of a field; None for null and for an absent field, "" for another value."""
    if raw is None:
        return None
    try:
        return _OPTIONAL_TEXT.decode(raw)
    except msgspec.ValidationError:
        return ""


def _encodable(value: object) -> str | None:
    """The same text; None for another value, and for text with half of a surrogate pair."""
    if type(value) is not str:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _shifted(timestamp: str, days: int) -> str | None:
    """Move a timestamp by whole days, with the same clock time and offset; None for other text, and beyond the calendar."""
    try:
        microseconds(timestamp)
        return (date.fromisoformat(timestamp[:10]) + timedelta(days=days)).isoformat() + timestamp[10:]
    except (ValueError, OverflowError):
        return None


def newest_us(archive: IO[bytes], partitions: int) -> int | None:
    """Find the time of the newest valid event, in microseconds since the epoch; None without any."""
    newest: int | None = None
    for line in read_lines(archive, partitions):
        if line.problem is None:
            event = line.event or decode_event(line.raw)
            if isinstance(event, Event) and "timestamp" not in event.defaults:
                newest = max(newest or event.at_us, event.at_us)
    return newest


def rebase_days(newest: int, now: float) -> int:
    """Compute the days, in whole weeks, to shift so that the newest event lies within the last seven days."""
    return 7 * ((int(now * 1_000_000) - newest) // _WEEK_US)
