"""The server that last wrote a data directory: by the note that sidedata leaves there, and by the files themselves.

The note alone is not enough: directories of earlier versions have none, and a restored backup may come without it. The files
alone are not enough either: a server appends to a file whose beginning, which names the writer, is an earlier server's.
"""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidedata.embedded.server_version import REDIS, VALKEY, ServerVersion
from sidedata.errors import StopError

NOTE: Final = "written-by"
SINGLE_FILE: Final = "appendonly.aof"  # of servers before Redis 7.0
_MULTI_PART: Final = "appendonlydir"  # of Redis 7.0 and later, and of Valkey
_MANIFEST: Final = "appendonly.aof.manifest"
_HEAD_BYTES: Final = 128

# The least that can have written a file without a beginning that names its writer.
_SINGLE_FILE_WRITER: Final = ServerVersion(REDIS, "6.2")
_MULTI_PART_WRITER: Final = ServerVersion(REDIS, "7.0")

# The magic bytes, then the first field: 0xFA, a length and the name, a length and the value. `REDIS0010\xfa\x09redis-ver\x067.0.15`
_HEAD: Final = re.compile(rb"(?:REDIS|VALKEY)[0-9]+\xfa.(redis|valkey)-ver.([0-9]+\.[0-9]+(?:\.[0-9]+)*)", re.DOTALL)
# A line of the manifest: `file appendonly.aof.1.base.rdb seq 1 type b`
_BASE: Final = re.compile(r"^file (\S+) seq [0-9]+ type b\b", re.MULTILINE)


def writers(directory: Path) -> list[ServerVersion]:
    """List the servers whose files a server must be able to read to start here: that of the note, that of the files.

    It is empty where there are no files.

    Raises:
        StopError: the note is of a server that this version of sidedata does not know.
    """
    from_files = _by_files(directory)
    if from_files is None:
        return []  # a note without data restricts nothing
    noted = _by_note(directory)
    return [from_files] if noted in (None, from_files) else [noted, from_files]


def note_writer(directory: Path, server: ServerVersion) -> None:
    """Write the note; it is whole or absent at any instant."""
    path = directory / NOTE
    text = f"{server}\n"
    with suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return
    with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".written-by-", delete=False) as draft:  # mode 0600
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).replace(path)


def unread_file(directory: Path) -> Path | None:
    """Find an append-only file that no server since Redis 7.0 reads, because there is a newer one's directory beside it.

    It stems from a Redis 6.2 that was started on a newer server's data and found nothing.
    """
    single = directory / SINGLE_FILE
    has_both = (directory / _MULTI_PART / _MANIFEST).exists() and single.is_file()
    return single if has_both and single.stat().st_size else None


def _by_note(directory: Path) -> ServerVersion | None:
    path = directory / NOTE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StopError(f"{path} can't be read: {error}") from error
    noted = ServerVersion.parse(text)
    if noted is None:
        raise StopError(f"{path} names no known server: {text.strip()[:60]!r}; a newer sidedata may have written it")
    return noted


def _by_files(directory: Path) -> ServerVersion | None:
    manifest = directory / _MULTI_PART / _MANIFEST
    try:
        text = manifest.read_text(encoding="utf-8", errors="replace")
    except OSError:
        single = directory / SINGLE_FILE
        return (_by_head(single) or _SINGLE_FILE_WRITER) if single.is_file() else None
    base = _BASE.search(text)
    writer = _by_head(manifest.parent / base[1].strip('"')) if base else None
    # A newer server moves an old single file into its directory as it is.
    return writer if writer is not None and _needs_multi_part(writer) else _MULTI_PART_WRITER


def _needs_multi_part(writer: ServerVersion) -> bool:
    return writer.product == VALKEY or writer.release >= _MULTI_PART_WRITER.release


def _by_head(path: Path) -> ServerVersion | None:
    """Read the writer from the beginning of a file; None if it has no snapshot at its beginning, or is not there."""
    try:
        with path.open("rb") as file:
            match = _HEAD.match(file.read(_HEAD_BYTES))
    except OSError:
        return None
    return ServerVersion(VALKEY if match[1] == b"valkey" else REDIS, match[2].decode()) if match else None
