"""The report of a rebuild: its data, its table, its JSON and its remarks. Pure."""

from collections.abc import Iterator
from typing import TypedDict

import msgspec
from msgspec import Struct, field

from sidedata.events.money import text_of
from sidedata.events.timestamps import from_microseconds
from sidedata.ingest.archive.report import ArchiveReport
from sidedata.ingest.rebuild.difference import Difference, Figures
from sidedata.plural import counted

Row = tuple[str, str, str, str]  # workflow, figure, stored value, rebuilt value


class Report(Struct):
    """The result of a rebuild."""

    archive: ArchiveReport = field(default_factory=ArchiveReport)
    applied: int = 0
    duplicates: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason
    workflows: list[Difference] = field(default_factory=list)
    seconds: float = 0.0
    swapped: bool = False


class _Workflow(TypedDict):
    id: str
    kind: str
    stored: dict[str, object]
    rebuilt: dict[str, object]
    buckets: int
    buckets_differing: int


def rows(report: Report) -> list[Row]:
    """The table of all differences, a workflow's id in its first row only."""
    return [row for difference in report.workflows for row in _rows(difference)]


def _rows(difference: Difference) -> list[Row]:
    stored, rebuilt = _figures(difference.stored), _figures(difference.rebuilt)
    figures = [(name, str(stored.get(name, 0)), str(rebuilt.get(name, 0))) for name in {**stored, **rebuilt}]
    same = difference.buckets - difference.differing
    figures.append(("buckets", f"{same} equal", f"{difference.differing} different"))
    return [(difference.workflow if index == 0 else "", *row) for index, row in enumerate(figures)]


def _figures(figures: Figures) -> dict[str, int | str]:
    """The figures that are not 0, by their names for people; money as decimals."""
    by_name: dict[str, int | str] = {
        "visitors": figures.visitors,
        "sessions": figures.sessions,
        "started": figures.started,
        "goals triggered": figures.triggered,
        "goals affected": figures.affected,
    }
    return {name: value for name, value in by_name.items() if value} | {
        f"purchases {currency}": text_of(units) for currency, units in sorted(figures.purchases.items()) if units
    }


def remarks(report: Report, *, dry: bool) -> Iterator[str]:
    """The lines for stderr: the archive's content, and what became of it."""
    archive = report.archive
    others = counted(archive.others, "line")
    duplicates = counted(report.duplicates, "duplicate")
    yield f"{counted(report.applied, 'event')} counted, {duplicates}, {others} of other organizations"
    if archive.unreadable:
        yield f"{counted(archive.unreadable, 'unreadable line')} left out"
    for reason, number in sorted(report.dead_letters.items()):
        yield f"{number} left out as {reason}"
    for difference in report.workflows:
        if difference.stored.newest_us > difference.rebuilt.newest_us:
            yield (
                f"workflow {difference.workflow} has events until {from_microseconds(difference.stored.newest_us)}, "
                "later than any in the archive: does it hold all?"
            )
    if report.swapped:
        yield f"swapped; the partition was held for {report.seconds:.1f} s"
    elif dry and report.workflows:
        yield f"nothing is changed; it took {report.seconds:.1f} s"


def json_of(report: Report, organization: str) -> bytes:
    """The report as one JSON object."""
    workflows: list[_Workflow] = [
        {
            "id": difference.workflow,
            "kind": difference.kind,
            "stored": _figures_json(difference.stored),
            "rebuilt": _figures_json(difference.rebuilt),
            "buckets": difference.buckets,
            "buckets_differing": difference.differing,
        }
        for difference in report.workflows
    ]
    return msgspec.json.encode(
        {
            "organization": organization,
            "applied": report.applied,
            "duplicates": report.duplicates,
            "dead_letters": report.dead_letters,
            "other_lines": report.archive.others,
            "unreadable_lines": report.archive.unreadable,
            "seconds": round(report.seconds, 3),
            "swapped": report.swapped,
            "workflows": workflows,
        }
    )


def _figures_json(figures: Figures) -> dict[str, object]:
    fields: dict[str, object] = msgspec.structs.asdict(figures)
    return fields | {"purchases": {code: text_of(units) for code, units in sorted(figures.purchases.items())}}
