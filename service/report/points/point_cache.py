"""The figures of a timeline's points, kept until a bucket of theirs changes.

A timeline has up to a thousand points, and a commit changes the newest few. The figures of a point depend on the buckets of its
runs alone, so all others stay, and every timeline that has the same point shares them.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sidedata.calendar.levels import Level
from sidedata.calendar.tiling import Run

_MOST_POINTS = 5_000  # of one workflow, some 300 bytes each
_POINT_BYTES = 300


class PointFigures(NamedTuple):
    """The figures of one point; a kind of workflow leaves at 0 what it does not have. `purchases` are in 1/10,000 by currency."""

    visitors: int = 0
    sessions: int = 0
    started: int = 0
    triggered: int = 0
    affected: int = 0
    purchases: tuple[tuple[str, int], ...] = ()


class PointCache:
    """The figures of one workflow's points, by the runs of their buckets."""

    def __init__(self) -> None:
        self._figures: dict[tuple[Run, ...], PointFigures] = {}
        self._users: dict[tuple[Level, int], set[tuple[Run, ...]]] = {}  # points by the buckets that they are made of

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return _POINT_BYTES * len(self._figures)

    def get(self, runs: tuple[Run, ...]) -> PointFigures | None:
        """The figures of a point, or None."""
        return self._figures.get(runs)

    def add(self, runs: tuple[Run, ...], figures: PointFigures) -> None:
        """Keep the figures of a point."""
        if len(self._figures) >= _MOST_POINTS:
            self.clear()
        self._figures[runs] = figures
        for run in runs:
            for start in run.starts:
                self._users.setdefault((run.level, start), set()).add(runs)

    def invalidate(self, buckets: Iterable[tuple[Level, int]]) -> None:
        """Drop each point that one of the buckets is part of."""
        for bucket in buckets:
            for runs in self._users.pop(bucket, ()):
                self._figures.pop(runs, None)

    def clear(self) -> None:
        """Drop all points."""
        self._figures.clear()
        self._users.clear()
