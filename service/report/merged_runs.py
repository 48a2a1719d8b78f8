"""Merged buckets of a workflow, from which reports over many buckets are assembled.

A report merges hundreds of sketches, and the next report nearly the same. So runs of adjacent hours and days stay merged until one
of their buckets changes. Long runs of days are merged in groups, so that two runs share most of the work:

      a report      ::|  h h h  |     days      |   h h   |::
      cached               ✓      [8][8][8] ✓        ✓

Each sketch has a row of its own: one call of numpy merges all rows of a bucket, however many goals it has.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.calendar.tiling import Run
from sidedata.hyperloglog import Registers, Stack, empty, merge
from sidedata.reads.workflow_parts import BucketField, FieldName

# The rows of a page-navigation workflow. An interaction workflow has the same row of visitors, and its sessions are those of goals,
# with rows in the order in which goals are first seen.
VISITORS, SESSIONS = 0, 1
# Rows that are merged at once, some 1 MB. A workflow with more goals is merged in several batches, and none of them is cached.
MOST_ROWS = 64
# Runs of 5 minutes are cached only up to this number of rows: there are many such runs, and the newest change all the time.
_FEW_ROWS = 2
_GROUP_DAYS = 8
_GROUP_SECONDS = _GROUP_DAYS * 86_400

_FieldNames = Mapping[Level, tuple[FieldName, ...]]


class MergedRun(NamedTuple):
    """Merged buckets: registers by row, and sums of counts."""

    rows: Registers
    sums: dict[str, int]


class CachedField(Struct):
    """A bucket's field in the cache: its stored counts, the sums made of them, and its sketches."""

    counts: Mapping[str, int]
    sums: Mapping[str, int]
    stack: Stack | None

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return 300 + 100 * (len(self.counts) + len(self.sums)) + (self.stack.size if self.stack is not None else 0)


class MergedRuns:
    """The merged runs of one workflow, within a bound of memory, over the cached fields of its buckets."""

    def __init__(self, fields: Mapping[BucketField, CachedField], most_bytes: int) -> None:
        self._fields = fields
        self._most_bytes = most_bytes
        self._runs: OrderedDict[tuple[Level, int, int], MergedRun] = OrderedDict()  # least recently used first
        self.size = 0  # bytes

    def clear(self) -> None:
        """Drop all merged runs."""
        self._runs.clear()
        self.size = 0

    def has(self, run: Run) -> bool:
        """Tell if a run is cached in merged form; then all fields of its buckets are cached too."""
        return (run.level, run.starts[0], run.starts[-1]) in self._runs

    def invalidate(self, buckets: Iterable[tuple[Level, int]]) -> None:
        """Drop each run that contains one of the buckets, which are given by level and start."""
        if not self._runs:
            return
        changed = set(buckets)
        for key in list(self._runs):
            level, first, last = key
            if any(level == changed_level and first <= start <= last for changed_level, start in changed):
                self.size -= self._runs.pop(key).rows.nbytes

    def merge(self, runs: Sequence[Run], names: _FieldNames, rows: range) -> MergedRun:
        """Merge those rows of all runs; `names` lists the fields of a bucket by level."""
        whole = rows.start == 0 and len(rows) <= MOST_ROWS
        total = MergedRun(empty(len(rows)), {})
        for run in runs:
            if not whole or (run.level == "5min" and len(rows) > _FEW_ROWS):
                self._fold(total, run, names, rows)
            else:
                _add(total, self._run(run, names, rows))
        return total

    def _run(self, run: Run, names: _FieldNames, rows: range) -> MergedRun:
        key = (run.level, run.starts[0], run.starts[-1])
        cached = self._runs.get(key)
        if cached is not None:
            self._runs.move_to_end(key)
            return cached
        merged = MergedRun(empty(len(rows)), {})
        if run.level == "day" and len(run.starts) > 2 * _GROUP_DAYS:
            groups = [tuple(group) for _, group in groupby(run.starts, lambda start: start // _GROUP_SECONDS)]
            for group in groups[1:-1]:
                _add(merged, self._run(Run("day", group), names, rows))
            self._fold(merged, Run("day", groups[0] + groups[-1]), names, rows)
        else:
            self._fold(merged, run, names, rows)
        self._runs[key] = merged
        self.size += merged.rows.nbytes
        while self.size > self._most_bytes:
            _, oldest = self._runs.popitem(last=False)
            self.size -= oldest.rows.nbytes
        return merged

    def _fold(self, into: MergedRun, run: Run, names: _FieldNames, rows: range) -> None:
        """Merge the run's buckets into `into`."""
        sums = into.sums
        stacks = []
        for start in run.starts:
            for name in names[run.level]:
                field = self._fields[BucketField(run.level, start, name)]
                if field.stack is not None:
                    stacks.append(field.stack)
                for key, value in field.sums.items():
                    sums[key] = sums.get(key, 0) + value
        merge(into.rows, stacks, rows.start)


def _add(into: MergedRun, more: MergedRun) -> None:
    # A goal that was first seen later has rows that older merged runs lack.
    rows = into.rows[: len(more.rows)]
    np.maximum(rows, more.rows, out=rows)
    sums = into.sums
    for name, value in more.sums.items():
        sums[name] = sums.get(name, 0) + value
