"""The zone data of this machine: the `tzdata` package that is installed with sidedata, and the system's files.

The newer of the two serves, by the release in the first line of its `tzdata.zi`; the other one serves names that the newer lacks.
`PYTHONTZPATH`, if set, replaces both. Python's own `zoneinfo` would take the system's files, whatever their age.

Files are replaced under running processes, by `apt` or `pip`, one after the other. So a folder is read as a whole, and again if it
changed while it was read; what was read serves until the whole folder is read again, at most twice an hour.
"""

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zoneinfo import TZPATH, ZoneInfo

from sidedata.calendar.rules import UNKNOWN, ZoneRules, read_rules, release_order

REFRESH_SECONDS = 1500
# A folder that changed less than this ago may still be in the middle of its replacement: its release is not believed yet.
_SETTLED_SECONDS = 5
_TRIES = 3
_REMEMBERED_TABLES = 2_000  # all zones for three days; a day later the tables of new spans are read
_VERSION = re.compile(rb"# version (\d{4}[a-z]{1,3})\s", re.ASCII)
_PACKAGE_VERSION = re.compile(rb"^IANA_VERSION = [\"'](\d{4}[a-z]{1,3})[\"']", re.ASCII | re.MULTILINE)
_MAGIC = b"TZif"
# Names that are no zones, and copies of all zones in other forms.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
_COPIES = frozenset({"posix", "right"})

_Signature = frozenset[tuple[str, int, int, int]]


class ZoneFolder(NamedTuple):
    """A folder of zone files as it was read: `release` is "unknown" where the folder names none, or is being replaced."""

    path: str
    release: str
    files: Mapping[str, bytes]
    settled: bool


class ZoneData:
    """Folders of zone files, the preferred one first. All that is asked of it is of the same files."""

    def __init__(self, folders: Sequence[ZoneFolder]) -> None:
        self.folders = tuple(folders)
        self._tables: dict[tuple[str, int, int], tuple[ZoneRules, ...]] = {}

    @property
    def settled(self) -> bool:
        """True if no folder was in the middle of its replacement when it was read."""
        return all(folder.settled for folder in self.folders)

    @property
    def release(self) -> str:
        """The release of the preferred folder."""
        return self.folders[0].release if self.folders else UNKNOWN

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all zones."""
        return frozenset(name for folder in self.folders for name in folder.files)

    def rules(self, name: str, start: int, end: int) -> ZoneRules | None:
        """The table of a zone from the first folder that has it; None: there is no such zone."""
        return next(iter(self.candidates(name, start, end)), None)

    def candidates(self, name: str, start: int, end: int) -> tuple[ZoneRules, ...]:
        """The tables of a zone from every folder that has it, the preferred one first; 5 ms each when they are read."""
        tables = self._tables.get((name, start, end))
        if tables is None:
            zones = [(folder.release, _load(folder, name)) for folder in self.folders]
            tables = tuple(read_rules(name, release, zone, start, end) for release, zone in zones if zone is not None)
            if len(self._tables) >= _REMEMBERED_TABLES:
                self._tables.clear()
            self._tables[name, start, end] = tables
        return tables

    def zone(self, name: str) -> ZoneInfo | None:
        """The data for instants that no table covers; None: there is no such zone."""
        return next((zone for folder in self.folders if (zone := _load(folder, name)) is not None), None)


class ZoneSources:
    """Reads the folders that zone data come from, and keeps what it read for 25 minutes."""

    def __init__(self, package: Path | None, system: Sequence[Path], override: Sequence[Path] | None = None) -> None:
        """Name the folders.

        Args:
            package: the folder of the `tzdata` package, None where it is not installed.
            system: the system's folders, of which the first with zones is taken.
            override: the folders of `PYTHONTZPATH`, in its order; they replace both others. None: it is not set.
        """
        self._package = package
        self._system = system
        self._override = override
        self._data: ZoneData | None = None
        self._read_at = 0.0
        self._signatures: dict[str, _Signature] = {}

    def data(self, now: float) -> ZoneData:
        """The zone data, read at most every 25 minutes; `now` is in seconds since the epoch, by the clock of the file system.

        Blocks for some 100 ms when it reads, for 20 when no file has changed.
        """
        unsettled = self._data is not None and not self._data.settled
        wait = _SETTLED_SECONDS if unsettled else REFRESH_SECONDS
        if self._data is None or now - self._read_at >= wait or now < self._read_at:
            self._data = self._read(now, self._data)
            self._read_at = now
        return self._data

    def _read(self, now: float, before: ZoneData | None) -> ZoneData:
        known = {folder.path: folder for folder in before.folders} if before else {}
        paths = (self._package, *self._system) if self._override is None else self._override
        folders = [folder for path in paths if path is not None for folder in self._folder(path, now, known)]
        if self._override is None:
            system = [folder for folder in folders if folder.path != str(self._package)][:1]
            package = [folder for folder in folders if folder.path == str(self._package)]
            folders = sorted([*package, *system], key=lambda folder: release_order(folder.release), reverse=True)
        return ZoneData(folders)

    def _folder(self, path: Path, now: float, known: Mapping[str, ZoneFolder]) -> Iterator[ZoneFolder]:
        """The folder, unless it holds no zones; the earlier one while it has not changed, or is being replaced."""
        before = known.get(str(path))
        signature, files = _signature(path), dict[str, bytes]()
        if before is not None and before.settled and signature == self._signatures.get(str(path)):
            yield before
            return
        for _ in range(_TRIES):
            release, files = _release(path), _files(path)
            signature, older = _signature(path), signature
            if signature == older:
                break
        changed = max((change for _, change, _, _ in signature), default=0) / 1e9
        settled = signature == older and not now - _SETTLED_SECONDS < changed <= now
        if before is not None and not (settled and files):
            yield before._replace(settled=settled)  # a folder that is gone serves on
        elif files:
            self._signatures[str(path)] = signature
            yield ZoneFolder(str(path), release if settled else UNKNOWN, files, settled)


def installed_sources(environment: Mapping[str, str]) -> ZoneSources:
    """The sources of this machine. An empty `PYTHONTZPATH` means that no file of the system is read."""
    spec = find_spec("tzdata")
    places = list(spec.submodule_search_locations or ()) if spec else []
    package = Path(places[0]) / "zoneinfo" if places else None
    override = environment.get("PYTHONTZPATH")
    if override is None:
        return ZoneSources(package, [Path(path) for path in TZPATH])
    folders = [Path(path) for path in override.split(os.pathsep) if Path(path).is_absolute()]
    return ZoneSources(package, [], folders or None)


def _load(folder: ZoneFolder, name: str) -> ZoneInfo | None:
    content = folder.files.get(name)
    return None if content is None else ZoneInfo.from_file(io.BytesIO(content), name)


def _release(path: Path) -> str:
    """The release that a folder of zone files names."""
    for file, pattern in ((path / "tzdata.zi", _VERSION), (path.parent / "__init__.py", _PACKAGE_VERSION)):
        try:
            with file.open("rb") as opened:
                match = pattern.search(opened.read(4096))
        except OSError:
            continue
        if match:
            return match[1].decode()
    return UNKNOWN


def _paths(path: Path) -> Iterator[tuple[str, str]]:
    """Name and path of each file below a folder, copies of zones aside."""
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in _COPIES and name != "__pycache__"]
        for name in files:
            full = os.path.join(folder, name)  # noqa: PTH118 - 600 files, and a Path costs more than reading one
            yield full[len(str(path)) + 1 :], full


def _signature(path: Path) -> _Signature:
    """Name, time of the last change in nanoseconds, size and inode of each file: a replaced file differs in one of them."""
    files = []
    for name, full in _paths(path):
        try:
            stat = os.stat(full)  # noqa: PTH116 - see _paths
        except OSError:
            continue
        files.append((name, stat.st_ctime_ns, stat.st_size, stat.st_ino))
    return frozenset(files)


def _files(path: Path) -> dict[str, bytes]:
    """The zone files by their names; files of links hold the same bytes once."""
    same: dict[bytes, bytes] = {}
    zones: dict[str, bytes] = {}
    for name, full in _paths(path):
        try:
            with open(full, "rb") as opened:  # noqa: PTH123 - see _paths
                content = opened.read()
        except OSError:
            continue
        if content.startswith(_MAGIC) and name not in _NO_ZONES:
            zones[name] = same.setdefault(content, content)
    return zones
