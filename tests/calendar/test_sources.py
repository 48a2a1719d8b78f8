"""Where zone data come from, with folders of two zones and two releases."""

import time
from pathlib import Path

import pytest

from sidedata.calendar.rules import UNKNOWN
from sidedata.calendar.sources import REFRESH_SECONDS, ZoneSources, installed_sources
from tests.support.zones.files import HOUR, second, zone_bytes, zone_folder

OLD = {"America/Vancouver": zone_bytes(-7 * HOUR, [("2026-11-01T09:00", -8 * HOUR)]), "UTC": zone_bytes(0, [])}
NEW = {"America/Vancouver": zone_bytes(-7 * HOUR, []), "UTC": zone_bytes(0, [])}
SPAN = (second("2026-10-01"), second("2027-01-01"))


@pytest.fixture
def now() -> float:
    """A time at which the folders have long been settled."""
    return time.time() + 1000


def last_offset(sources: ZoneSources, now: float, name: str = "America/Vancouver") -> int:
    """The last offset of a zone's table."""
    rules = sources.data(now).rules(name, *SPAN)
    assert rules is not None
    return rules.offsets[-1]


@pytest.mark.parametrize(
    ("package", "system", "release", "offset"),
    [
        ("2026f", "2025b", "2026f", -7),
        ("2025b", "2026f", "2026f", -8),
        ("2026f", None, "2026f", -7),
        (None, "2026a", "2026a", -8),
        ("2026f", "2026f", "2026f", -7),
    ],
)
def test_the_newer_of_package_and_system_serves(
    tmp_path: Path, now: float, package: str | None, system: str | None, release: str, offset: int
) -> None:
    """The release in tzdata.zi decides, and data that name none serve only where there are no others."""
    sources = ZoneSources(zone_folder(tmp_path / "p", package, NEW), [zone_folder(tmp_path / "s", system, OLD)])
    assert sources.data(now).release == release
    assert last_offset(sources, now) == offset * HOUR


def test_names_come_from_the_other_folder_where_the_newer_lacks_them(tmp_path: Path, now: float) -> None:
    """Distributions leave out old names; the other folder's data serve for those, under their own release."""
    package = zone_folder(tmp_path / "p", "2025b", {**OLD, "US/Pacific": OLD["UTC"]})
    data = ZoneSources(package, [zone_folder(tmp_path / "s", "2026f", NEW)]).data(now)
    assert data.names == {"America/Vancouver", "US/Pacific", "UTC"}
    pacific, vancouver = data.rules("US/Pacific", *SPAN), data.rules("America/Vancouver", *SPAN)
    assert pacific is not None
    assert vancouver is not None
    assert (pacific.release, vancouver.release) == ("2025b", "2026f")
    assert [rules.release for rules in data.candidates("America/Vancouver", *SPAN)] == ["2026f", "2025b"]
    assert data.rules("Mars/Olympus", *SPAN) is None
    assert data.zone("Mars/Olympus") is None


def test_the_first_system_folder_with_zones_is_taken(tmp_path: Path, now: float) -> None:
    """Folders that do not exist, or hold no zones, are passed over."""
    folders = [
        tmp_path / "none",
        zone_folder(tmp_path / "empty", "2027a", {}),
        zone_folder(tmp_path / "s", "2026a", OLD),
    ]
    data = ZoneSources(None, [*folders, zone_folder(tmp_path / "t", "2026f", NEW)]).data(now)
    assert [folder.release for folder in data.folders] == ["2026a"]


def test_files_that_are_no_zones_are_left_out(tmp_path: Path, now: float) -> None:
    """Tables, the machine's own zone, and copies with leap seconds are no names."""
    extra = {
        "zone.tab": b"#",
        "localtime": OLD["UTC"],
        "Factory": OLD["UTC"],
        "right/UTC": OLD["UTC"],
        "posix/UTC": OLD["UTC"],
    }
    data = ZoneSources(None, [zone_folder(tmp_path, "2026a", {**OLD, **extra})]).data(now)
    assert data.names == set(OLD)


def test_the_package_names_its_release_in_its_module_too(tmp_path: Path, now: float) -> None:
    """Where a package has no tzdata.zi, its IANA_VERSION counts."""
    package = zone_folder(tmp_path / "tzdata" / "zoneinfo", None, NEW)
    (package.parent / "__init__.py").write_text('__version__ = "2026.6"\nIANA_VERSION = "2026f"\n')
    assert ZoneSources(package, []).data(now).release == "2026f"


def test_without_any_folder_there_are_no_zones(tmp_path: Path, now: float) -> None:
    """A machine without data names no release and no zone."""
    data = ZoneSources(tmp_path / "none", []).data(now)
    assert (data.release, data.names) == (UNKNOWN, frozenset())


def test_pythontzpath_replaces_both(tmp_path: Path, now: float) -> None:
    """The operator's folders are taken in the operator's order, whatever is newer elsewhere; empty, the package alone."""
    first, other = zone_folder(tmp_path / "a", "2020a", {"UTC": OLD["UTC"]}), zone_folder(tmp_path / "b", None, OLD)
    data = installed_sources({"PYTHONTZPATH": f"{first}:{other}:relative"}).data(now)
    assert [folder.path for folder in data.folders] == [str(first), str(other)]
    assert (data.release, data.names) == ("2020a", frozenset(OLD))
    rules = data.rules("America/Vancouver", *SPAN)
    assert rules is not None
    assert rules.release == UNKNOWN
    assert len(installed_sources({"PYTHONTZPATH": ""}).data(now).folders) == 1
    assert len(installed_sources({}).data(now).names) > 500


def test_files_replaced_under_a_process_change_nothing_for_an_hour(tmp_path: Path, now: float) -> None:
    """A folder serves as a whole: no zone of the new release shows beside one of the old."""
    folder = zone_folder(tmp_path, "2025b", OLD)
    sources = ZoneSources(None, [folder])
    data = sources.data(now)
    zone_folder(folder, "2026f", {"America/Vancouver": NEW["America/Vancouver"]})
    assert sources.data(now + REFRESH_SECONDS - 1) is data
    assert last_offset(sources, now) == -8 * HOUR
    assert sources.data(now + REFRESH_SECONDS).release == "2026f"
    assert last_offset(sources, now + REFRESH_SECONDS) == -7 * HOUR
    assert data.release == "2025b"


def test_a_folder_that_is_being_replaced_waits(tmp_path: Path) -> None:
    """Data that changed within the last seconds are read when the folder has settled; until then the former ones serve."""
    folder = zone_folder(tmp_path, "2025b", OLD)
    sources = ZoneSources(None, [folder])
    start = time.time() - REFRESH_SECONDS
    assert sources.data(start).release == "2025b"
    zone_folder(folder, "2026f", {"UTC": NEW["UTC"]})  # Vancouver's file is still the old one
    at = time.time()
    assert sources.data(at).release == "2025b"
    zone_folder(folder, "2026f", NEW)
    assert sources.data(at + 1).release == "2025b"
    assert sources.data(at + 60).release == "2026f"
    assert last_offset(sources, at + 60) == -7 * HOUR


def test_a_process_that_starts_during_a_replacement_names_no_release(tmp_path: Path) -> None:
    """Its zones serve, but they replace nothing before the folder has settled."""
    folder = zone_folder(tmp_path, "2026f", NEW)
    at = time.time() + 0.1
    sources = ZoneSources(None, [folder])
    assert (sources.data(at).release, last_offset(sources, at)) == (UNKNOWN, -7 * HOUR)
    assert sources.data(at + 6).release == "2026f"


def test_a_folder_that_is_gone_serves_on(tmp_path: Path, now: float) -> None:
    """A package that is removed under a running process stays in memory."""
    folder = zone_folder(tmp_path / "p", "2026f", NEW)
    sources = ZoneSources(folder, [])
    data = sources.data(now)
    folder.rename(tmp_path / "moved")
    later = sources.data(now + REFRESH_SECONDS)
    assert later.folders == data.folders
