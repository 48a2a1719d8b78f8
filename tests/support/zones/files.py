"""Zone files of two or three zones with rules of our choice, so that no old release of the data has to be installed."""

import os
import struct
from datetime import UTC, datetime, timedelta, tzinfo
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

HOUR = 3600
Changes = list[tuple[str, int]]  # instants in UTC with the offset in hours' seconds from then on


def second(text: str) -> int:
    """Seconds since the epoch of an ISO 8601 text, in UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def zone_bytes(first: int, changes: Changes) -> bytes:
    """A zone file (TZif, version 1) with an offset in seconds and its changes."""
    offsets = sorted({first, *(offset for _, offset in changes)}, key=lambda offset: offset != first)
    names = b"".join(b"Z%02d\0" % number for number in range(len(offsets)))
    header = struct.pack(">4s16x6L", b"TZif", 0, 0, 0, len(changes), len(offsets), len(names))
    times = b"".join(struct.pack(">l", second(at)) for at, _ in changes)
    kinds = bytes(offsets.index(offset) for _, offset in changes)
    infos = b"".join(struct.pack(">lBB", offset, 0, 4 * number) for number, offset in enumerate(offsets))
    return header + times + kinds + infos + names


def made_zone(first: int, changes: Changes, name: str = "Test/Zone") -> ZoneInfo:
    """The same as a `ZoneInfo`."""
    return ZoneInfo.from_file(BytesIO(zone_bytes(first, changes)), name)


def zone_folder(path: Path, release: str | None, zones: dict[str, bytes]) -> Path:
    """A folder of zone files; each file is replaced as a package manager does it, under a new inode."""
    files = dict(zones)
    if release is not None:
        files["tzdata.zi"] = f"# version {release}\n# This zic input file is in the public domain.\n".encode()
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.new")
        fresh.write_bytes(content)
        os.replace(fresh, file)  # noqa: PTH105 - says what is meant
    return path


class SeamZone(tzinfo):
    """The rules of one zone before a seam and those of another from it on, by walking; shares nothing with the code under test."""

    def __init__(self, old: tzinfo, new: tzinfo, seam: int) -> None:
        self._old, self._new = old, new
        self._seam = datetime.fromtimestamp(seam, UTC)

    def fromutc(self, moment: datetime, /) -> datetime:
        """The local time, with its offset as a fixed one."""
        instant = moment.replace(tzinfo=UTC)
        local = instant.astimezone(self._old if instant < self._seam else self._new)
        offset = local.utcoffset()
        assert offset is not None
        return local

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        """The offset of a local time."""
        assert moment is not None
        old, new = moment.replace(tzinfo=self._old), moment.replace(tzinfo=self._new)
        # A local time that the seam skips is read with the offset before it.
        is_new = self._seam <= new.astimezone(UTC) and self._seam <= old.astimezone(UTC)
        return (new if is_new else old).utcoffset()

    def dst(self, _moment: datetime | None, /) -> timedelta | None:
        """Not known."""
        return None

    def tzname(self, _moment: datetime | None, /) -> str | None:
        """Not known."""
        return None
