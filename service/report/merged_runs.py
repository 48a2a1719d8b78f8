"""Buckets of a workflow merged: what the reports over many buckets are made of.

A report merges hundreds of sketches, and the next one nearly the same. So runs of neighbouring hours and days stay merged until one
of their buckets changes, long runs of days in groups, so that two runs share most of the work:

      a report      ::|  h h h  |     days      |   h h   |::
      kept                 ✓      [8][8][8] ✓        ✓

Every sketch has a row of its own: one call of numpy merges a bucket's, however many goals it has.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.calendar.tiling import Run
from sidedata.hyperloglog import Registers, Stack, empty, merge
from sidedata.reads.workflow_parts import Part, What

# Rows that are merged at once, some 1 MB; a workflow with more goals is merged in several turns, and none of it is kept.
MOST_ROWS = 64
# Runs of 5 minutes are kept where they take no more than this: there are many, and the newest change all the time.
_FEW_ROWS = 2
_GROUP_DAYS = 8
_GROUP_SECONDS = _GROUP_DAYS * 86_400


_SKETCHES: Final[tuple[What, ...]] = ("visitors", "sessions")
_WITH_GOALS: Final[tuple[What, ...]] = ("visitors", "goals")
# Which parts buckets have, by the workflow's kind and the bucket's level.
WHATS: Final[Mapping[str, Mapping[Level, tuple[What, ...]]]] = {
    "page_navigation": {"5min": _SKETCHES, "hour": _SKETCHES, "day": (*_SKETCHES, "counts")},
    "interaction": dict.fromkeys(("5min", "hour", "day"), _WITH_GOALS),
}


class Needs(NamedTuple):
    """What an answer needs: runs of buckets with all of their parts, and parts alone."""

    runs: tuple[Run, ...] = ()
    alone: tuple[Part, ...] = ()


@lru_cache(maxsize=4096)
def parts_of(run: Run, kind: str) -> tuple[Part, ...]:
    """The parts of a run's buckets."""
    return tuple(Part(run.level, start, what) for start in run.starts for what in WHATS[kind][run.level])


class Merged(NamedTuple):
    """What buckets hold together: registers by row, and sums of their counts."""

    rows: Registers
    sums: dict[str, int]


class Piece(Struct):
    """A part as it is kept: counts as they are stored, what is summed up of them, and sketches."""

    counts: Mapping[str, int]
    sums: Mapping[str, int]
    stack: Stack | None

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 300 + 100 * (len(self.counts) + len(self.sums)) + (self.stack.size if self.stack is not None else 0)


class Unions:
    """The merged runs of one workflow, over the parts that are kept of it."""

    def __init__(self, parts: Mapping[Part, Piece], most_bytes: int) -> None:
        self._parts = parts
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Level, int, int], Merged] = OrderedDict()
        self.size = 0

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self.size = 0

    def has(self, run: Run) -> bool:
        """Whether it is merged already; then all of its parts are here."""
        return (run.level, run.starts[0], run.starts[-1]) in self._kept

    def forget(self, changed: Iterable[tuple[Level, int]]) -> None:
        """Keep no run that one of these buckets is in."""
        if not self._kept:
            return
        buckets = set(changed)
        for key in list(self._kept):
            level, first, last = key
            if any(level == changed_level and first <= start <= last for changed_level, start in buckets):
                self.size -= self._kept.pop(key).rows.nbytes

    def merged(self, runs: Sequence[Run], whats: Mapping[Level, tuple[What, ...]], rows: range) -> Merged:
        """Runs merged, into those rows; `whats` says which parts buckets of a level have."""
        whole = rows.start == 0 and len(rows) <= MOST_ROWS
        total = Merged(empty(len(rows)), {})
        for run in runs:
            if not whole or (run.level == "5min" and len(rows) > _FEW_ROWS):
                self._fold(total, run, whats, rows)
            else:
                _add(total, self._run(run, whats, rows))
        return total

    def _run(self, run: Run, whats: Mapping[Level, tuple[What, ...]], rows: range) -> Merged:
        key = (run.level, run.starts[0], run.starts[-1])
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        made = Merged(empty(len(rows)), {})
        if run.level == "day" and len(run.starts) > 2 * _GROUP_DAYS:
            groups = [tuple(group) for _, group in groupby(run.starts, lambda start: start // _GROUP_SECONDS)]
            for group in groups[1:-1]:
                _add(made, self._run(Run("day", group), whats, rows))
            self._fold(made, Run("day", groups[0] + groups[-1]), whats, rows)
        else:
            self._fold(made, run, whats, rows)
        self._kept[key] = made
        self.size += made.rows.nbytes
        while self.size > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.size -= oldest.rows.nbytes
        return made

    def _fold(self, into: Merged, run: Run, whats: Mapping[Level, tuple[What, ...]], rows: range) -> None:
        """Merge the run's buckets."""
        sums = into.sums
        stacks = []
        for start in run.starts:
            for what in whats[run.level]:
                piece = self._parts[Part(run.level, start, what)]
                if piece.stack is not None:
                    stacks.append(piece.stack)
                for name, value in piece.sums.items():
                    sums[name] = sums.get(name, 0) + value
        merge(into.rows, stacks, rows.start)


def _add(into: Merged, more: Merged) -> None:
    # Goals that came since have rows that older unions lack.
    rows = into.rows[: len(more.rows)]
    np.maximum(rows, more.rows, out=rows)
    sums = into.sums
    for name, value in more.sums.items():
        sums[name] = sums.get(name, 0) + value
