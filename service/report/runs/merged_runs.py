"""Merged buckets of a workflow, from which reports over many buckets are assembled.

A report merges hundreds of sketches, and the next report nearly the same. So runs of adjacent hours and days stay merged until one
of their buckets changes. Long runs of days are merged in groups, so that two runs share most of the work:

      a report      ::|  h h h  |     days      |   h h   |::
      cached               ✓      [8][8][8] ✓        ✓

Each sketch has a row of its own: one call of numpy merges all rows of a bucket, however many goals it has.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.calendar.tiling import Run
from sidedata.calendar.zones import DAY_SECONDS
from sidedata.schema.bucket_fields import BucketField, FieldName
from sidedata.service.report.runs.raised import (
    Base,
    Raised,
    RaisedRun,
    base_of,
    estimates_over,
    raised_by_rows,
    raised_by_stacks,
    sparse_estimates,
)
from sidedata.sketches.hyperloglog import Registers, Stack, empty, estimates, merge

# The rows of a page-navigation workflow. An interaction workflow has the same row of visitors, and its sessions are those of goals,
# with rows in the order in which goals are first seen.
VISITORS, SESSIONS = 0, 1
# Rows that are merged at once, some 1 MB. A workflow with more goals is merged in several batches, and none of them is cached.
MOST_ROWS = 64
# Runs of 5 minutes are cached only up to this number of rows: there are many such runs, and the newest change all the time.
_FEW_ROWS = 2
_GROUP_DAYS = 8
_GROUP_SECONDS = _GROUP_DAYS * DAY_SECONDS

_NEVER = sys.maxsize

_FieldNames = Mapping[Level, tuple[FieldName, ...]]
_Estimates = tuple[list[int], Mapping[str, int]]  # by row; sums of counts


class MergedRun(Struct):
    """Merged buckets: registers by row, and sums of counts. `base` is made of the registers when they become a base."""

    rows: Registers
    sums: dict[str, int]
    base: Base | None = None

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return self.rows.nbytes


class CachedField(Struct):
    """A bucket's field in the cache: its stored counts, the sums made of them, and its sketches."""

    counts: Mapping[str, int]
    sums: Mapping[str, int]
    stack: Stack | None

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return 300 + 100 * (len(self.counts) + len(self.sums)) + (self.stack.size if self.stack is not None else 0)


_Span = tuple[Level, int, int]  # of a run: level, and the starts of its first and last bucket


class MergedRuns:
    """The merged runs of one workflow, within a bound of memory, over the cached fields of its buckets."""

    def __init__(self, fields: Mapping[BucketField, CachedField], most_bytes: int) -> None:
        self._fields = fields
        self._most_bytes = most_bytes
        # By the run, or by a long run and one above it; the least recently used first.
        self._runs: OrderedDict[tuple[_Span, ...], MergedRun | RaisedRun] = OrderedDict()
        self.size = 0  # bytes

    def clear(self) -> None:
        """Drop all merged runs."""
        self._runs.clear()
        self.size = 0

    def has(self, run: Run) -> bool:
        """Tell if a run is cached in merged form; then all fields of its buckets are cached too."""
        return (_span(run),) in self._runs

    def invalidate(self, buckets: Iterable[tuple[Level, int]]) -> None:
        """Drop each run that contains one of the buckets, which are given by level and start."""
        changed: dict[Level, list[int]] = {}
        for level, start in buckets:
            changed.setdefault(level, []).append(start)
        oldest = {level: min(starts) for level, starts in changed.items()}
        for key in list(self._runs) if changed else ():
            for level, first, last in key:
                # Nearly all runs end before the oldest change.
                if last >= oldest.get(level, _NEVER) and any(first <= start <= last for start in changed[level]):
                    self.size -= self._runs.pop(key).size
                    break

    def estimates(self, runs: Sequence[Run], names: _FieldNames, rows: int) -> _Estimates:
        """Estimate each of the first `rows` rows of all runs merged, and sum their counts."""
        found = None
        if _FEW_ROWS < rows <= MOST_ROWS:
            found = self._estimates_over_days(runs, names, rows) or self._estimates_of_sparse(runs, names, rows)
        if found is not None:
            return found
        merged = self.merge(runs, names, range(rows))
        return estimates(merged.rows), merged.sums

    def _estimates_of_sparse(self, runs: Sequence[Run], names: _FieldNames, rows: int) -> _Estimates | None:
        """Estimate as above from sparse sketches, without their registers; None if a sketch is large, or they are too many."""
        fields = [field for run in runs for field in self._fields_of(run, names)]
        stacks = [field.stack for field in fields if field.stack is not None]
        if any(stack.large for stack in stacks):
            return None
        found = sparse_estimates([(stack.indexes, stack.values) for stack in stacks], rows)
        return None if found is None else (found, _sums_of(fields))

    def _estimates_over_days(self, runs: Sequence[Run], names: _FieldNames, rows: int) -> _Estimates | None:
        """Estimate as above by what the other runs raise above the long run of days, if there is one and they raise little."""
        long = next((run for run in runs if run.level == "day" and len(run.starts) >= _GROUP_DAYS), None)
        # What lies above the days is found for the second report about them: a first one has no gain from it.
        if long is None or not self.has(long):
            return None
        days = self._run(long, names, range(rows))
        days.base = days.base or base_of(days.rows)
        if days.base is None:
            return None
        sums = dict(days.sums)
        above: list[Raised] = []
        for run in runs:
            if run is not long:
                raised, more = self._raised(days.base, long, run, names)
                if raised is None:
                    return None
                above.append(raised)
                _add_sums(sums, more)
        return estimates_over(days.base, above), sums

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
        key = (_span(run),)
        cached = self._cached(key)
        if isinstance(cached, MergedRun) and len(cached.rows) >= len(rows):
            return cached
        merged = MergedRun(empty(len(rows)), {})
        if isinstance(cached, MergedRun):
            # A goal that was first seen later has rows that this run lacks.
            _add(merged, cached)
        elif run.level == "day" and len(run.starts) > 2 * _GROUP_DAYS:
            groups = [tuple(group) for _, group in groupby(run.starts, lambda start: start // _GROUP_SECONDS)]
            for group in groups[1:-1]:
                _add(merged, self._run(Run("day", group), names, rows))
            self._fold(merged, Run("day", groups[0] + groups[-1]), names, rows)
        else:
            self._fold(merged, run, names, rows)
        self._cache(key, merged)
        return merged

    def _raised(self, base: Base, long: Run, run: Run, names: _FieldNames) -> RaisedRun:
        """A run as far as it lies above a long one, of which `base` is made."""
        key = (_span(long), _span(run))
        cached = self._cached(key)
        # A goal that was first seen later has rows in the base that this run lacks.
        if isinstance(cached, RaisedRun) and (cached.raised is None or cached.raised.rows == len(base.rows)):
            return cached
        rows = range(len(base.rows))
        if run.level == "5min":
            fields = self._fields_of(run, names)
            sums: dict[str, int] = {}
            for field in fields:
                _add_sums(sums, field.sums)
            raised = RaisedRun(
                raised_by_stacks(base, [field.stack for field in fields if field.stack is not None]), sums
            )
        else:
            merged = self._run(run, names, rows)
            raised = RaisedRun(raised_by_rows(base, merged.rows), merged.sums)
        self._cache(key, raised)
        return raised

    def _cached(self, key: tuple[_Span, ...]) -> MergedRun | RaisedRun | None:
        cached = self._runs.get(key)
        if cached is not None:
            self._runs.move_to_end(key)
        return cached

    def _cache(self, key: tuple[_Span, ...], run: MergedRun | RaisedRun) -> None:
        if key in self._runs:
            self.size -= self._runs.pop(key).size
        self._runs[key] = run
        self.size += run.size
        while self.size > self._most_bytes:
            _, oldest = self._runs.popitem(last=False)
            self.size -= oldest.size

    def _fold(self, into: MergedRun, run: Run, names: _FieldNames, rows: range) -> None:
        """Merge the run's buckets into `into`."""
        fields = self._fields_of(run, names)
        for field in fields:
            _add_sums(into.sums, field.sums)
        merge(into.rows, [field.stack for field in fields if field.stack is not None], rows.start)

    def _fields_of(self, run: Run, names: _FieldNames) -> list[CachedField]:
        return [self._fields[BucketField(run.level, start, name)] for start in run.starts for name in names[run.level]]


def _span(run: Run) -> _Span:
    return run.level, run.starts[0], run.starts[-1]


def _add(into: MergedRun, more: MergedRun) -> None:
    # A goal that was first seen later has rows that older merged runs lack.
    rows = into.rows[: len(more.rows)]
    np.maximum(rows, more.rows[: len(rows)], out=rows)
    _add_sums(into.sums, more.sums)


def _sums_of(fields: Iterable[CachedField]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for field in fields:
        _add_sums(sums, field.sums)
    return sums


def _add_sums(into: dict[str, int], more: Mapping[str, int]) -> None:
    for name, value in more.items():
        into[name] = into.get(name, 0) + value
