"""The report on an archive: numbers of its lines, and the first bad ones."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from sidedata.events.rejection import TOO_OLD, Rejection
from sidedata.ingest.archive.judge import Judge
from sidedata.ingest.archive.lines import Line
from sidedata.plural import counted

_MAX_LISTED: Final = 20


class ArchiveReport(Struct):
    """The lines of an archive that were read so far.

    `too_old` counts the dead letters of events before the oldest day kept.
    `undecided` counts the events that are too old in some reporting zones, where the organization's is not known.
    `unreadable_lines` holds the first unreadable lines, `rejected` the first readable lines that will become dead letters, and the
    cause.
    """

    events: int = 0  # sent, checked, or of the organization that is rebuilt
    others: int = 0  # lines of other organizations, or of none
    unreadable: int = 0
    dead_letters: int = 0
    too_old: int = 0
    undecided: int = 0
    unreadable_lines: list[Line] = field(default_factory=list)
    rejected: list[tuple[int, Rejection]] = field(default_factory=list)

    def add_unreadable(self, line: Line) -> None:
        """Count an unreadable line."""
        self.unreadable += 1
        if len(self.unreadable_lines) < _MAX_LISTED:
            self.unreadable_lines.append(line)

    def judge(self, line: Line, judge: Judge) -> bool:
        """Count a line that is unreadable or will become a dead letter; False if it is unreadable.

        Raises:
            ZoneDecidesError: as `Judge.rejection`; the line is not counted.
        """
        if line.problem is not None:
            self.add_unreadable(line)
            return False
        rejection = judge.rejection(line)
        if rejection is not None:
            self.dead_letters += 1
            self.too_old += rejection is TOO_OLD
            if len(self.rejected) < _MAX_LISTED:
                self.rejected.append((line.number, rejection))
        return True

    def bad_lines(self) -> Iterator[str]:
        """The lines for stderr on unreadable lines, then on lines that will become dead letters."""
        for line in self.unreadable_lines:
            yield f"line {line.number}: {line.problem}"
        if self.unreadable > _MAX_LISTED:
            yield f"… and {counted(self.unreadable - _MAX_LISTED, 'more line')}"
        for number, rejection in self.rejected:
            yield f"line {number}: {rejection.reason}: {rejection.detail}"
        if self.dead_letters > _MAX_LISTED:
            yield f"… and {counted(self.dead_letters - _MAX_LISTED, 'more such line')}"
