"""Merged runs of buckets: the same as merging every bucket again, whatever was cached, changed or evicted in between."""

import numpy as np
import pytest

from sidedata.calendar.tiling import Run
from sidedata.schema.bucket_fields import BucketField
from sidedata.service.report.plan import FIELD_NAMES
from sidedata.service.report.runs.merged_runs import MOST_ROWS, CachedField, MergedRun, MergedRuns
from sidedata.sketches.hyperloglog import REGISTERS, Registers, Stack, empty, estimates, merge

DAY = 86_400
_NAMES = FIELD_NAMES["interaction"]


def piece(dice: np.random.Generator, rows: int) -> CachedField:
    """A bucket's part with some sparse rows, a dense one and counts."""
    places = np.unique(dice.integers(0, rows * REGISTERS, 300))
    registers = dice.integers(0, 20, (REGISTERS, 1)).astype(np.uint8)
    bits = np.packbits(registers >> np.arange(6, dtype=np.uint8) & 1, bitorder="little")
    dense = b"HYLL" + bytes(12) + bits.tobytes()
    stack = Stack([(int(dice.integers(rows)), dense)], places, dice.integers(1, 30, len(places)).astype(np.uint8))
    counts = {f"count {number}": int(dice.integers(5)) for number in range(3)}
    return CachedField(counts, counts, stack)


def brute(parts: dict[BucketField, CachedField], runs: list[Run], rows: int) -> tuple[Registers, dict[str, int]]:
    """Every bucket merged, one by one."""
    total, sums = empty(rows), dict.fromkeys(("count 0", "count 1", "count 2"), 0)
    for run in runs:
        for start in run.starts:
            for name in _NAMES[run.level]:
                found = parts[BucketField(run.level, start, name)]
                assert found.stack is not None
                merge(total, [found.stack])
                for key, value in found.sums.items():
                    sums[key] += value
    return total, sums


def same(merged: MergedRun, expected: tuple[Registers, dict[str, int]], rows: range) -> bool:
    """Tell if those rows and all sums are as expected."""
    return bool(np.array_equal(merged.rows, expected[0][rows.start : rows.stop])) and merged.sums == expected[1]


@pytest.mark.parametrize(("rows", "most_bytes"), [(5, 1 << 30), (5, 1 << 20), (MOST_ROWS + 70, 1 << 30)])
def test_runs_are_merged_as_if_nothing_were_kept(rows: int, most_bytes: int) -> None:
    """Random runs in turn with random changes of buckets; few rows or more than are merged at once, much memory or little."""
    dice = np.random.default_rng(9)
    days = [DAY * number for number in range(1, 60)]
    hours = [3600 * number for number in range(24)]
    parts = {
        BucketField(level, start, name): piece(dice, rows)
        for level, names in _NAMES.items()
        for start in (days if level == "day" else hours)
        for name in names
    }
    merged_runs = MergedRuns(parts, most_bytes)
    for _ in range(15):
        runs = []
        for level in _NAMES:
            starts = days if level == "day" else hours
            first, last = sorted(dice.integers(0, len(starts), 2).tolist())
            runs.append(Run(level, tuple(starts[first : last + 1])))
        expected = brute(parts, runs, rows)
        for first in range(0, rows, MOST_ROWS):
            turn = range(first, min(first + MOST_ROWS, rows))
            assert same(merged_runs.merge(runs, _NAMES, turn), expected, turn)
        assert merged_runs.estimates(runs, _NAMES, rows) == (estimates(expected[0]), expected[1])
        assert merged_runs.size <= most_bytes
        changed = list(parts)[int(dice.integers(len(parts)))]
        parts[changed] = piece(dice, rows)
        merged_runs.invalidate([(changed.level, changed.start)])


def test_rows_that_come_later_are_empty_in_what_was_kept() -> None:
    """A goal that is new to a workflow adds rows; what was merged before holds nothing of it."""
    dice = np.random.default_rng(8)
    run = Run("hour", (0, 3600))
    parts = {BucketField("hour", start, name): piece(dice, 3) for start in run.starts for name in _NAMES["hour"]}
    merged_runs = MergedRuns(parts, 1 << 30)
    merged_runs.merge([run], _NAMES, range(3))
    assert merged_runs.has(run)
    expected = brute(parts, [run], 5)
    assert same(merged_runs.merge([run], _NAMES, range(5)), expected, range(5))


def buckets_of(values: dict[BucketField, Registers]) -> dict[BucketField, CachedField]:
    """Buckets that hold those registers as sparse sketches, and no counts."""
    return {
        field: CachedField({}, {}, Stack([], np.flatnonzero(rows), rows.reshape(-1)[np.flatnonzero(rows)]))
        for field, rows in values.items()
    }


@pytest.mark.parametrize("largest", [20, 31, 40])
@pytest.mark.parametrize(("of_days", "of_edges"), [(60_000, 300), (0, 2), (300, 60_000), (60_000, 0), (0, 0)])
def test_weeks_with_edges_are_estimated_as_if_all_were_merged(largest: int, of_days: int, of_edges: int) -> None:
    """Edges that raise few registers of a run of days, many, all of them or none; rare large registers in either."""
    dice = np.random.default_rng(7)
    runs = [
        Run("hour", (3600, 7200)),
        Run("day", tuple(DAY * number for number in range(1, 25))),
        Run("hour", (3600 * 600,)),
        Run("5min", (3600 * 601, 3600 * 601 + 300)),
    ]

    def registers(count: int, level: str) -> Registers:
        rows = empty(5)
        indexes = dice.integers(0, rows.size, count)
        np.maximum.at(rows.reshape(-1), indexes, np.minimum(dice.geometric(0.5, count), 20).astype(np.uint8))
        rows.reshape(-1)[indexes[:1]] = largest
        if count and level != "day":
            # Each edge raises this one.
            rows[4, 11] = dice.integers(21, 31)
        return rows

    values = {
        BucketField(run.level, start, name): registers(of_days if run.level == "day" else of_edges, run.level)
        for run in runs
        for start in run.starts
        for name in _NAMES[run.level]
    }
    merged_runs = MergedRuns(buckets_of(values), 1 << 30)
    expected = estimates(np.maximum.reduce(list(values.values())))
    for _ in range(3):
        assert merged_runs.estimates(runs, _NAMES, 5) == (expected, {})


@pytest.mark.parametrize("few", [True, False])
def test_a_goal_that_comes_later_is_estimated_over_weeks_that_lack_it(*, few: bool) -> None:
    """A new goal adds rows to its buckets; the weeks, and edges without it that raise few or many registers, were merged before."""
    dice = np.random.default_rng(6)
    days, edge, newest = (
        Run("day", tuple(DAY * number for number in range(1, 25))),
        Run("hour", (0,)),
        Run("5min", (300,)),
    )

    def some(rows: int) -> CachedField:
        made = piece(dice, rows)
        assert made.stack is not None
        return (
            made if not few else CachedField(made.counts, made.sums, Stack([], made.stack.indexes, made.stack.values))
        )

    fields = {
        BucketField(run.level, start, name): some(3)
        for run in (days, edge, newest)
        for start in run.starts
        for name in _NAMES[run.level]
    }
    merged_runs = MergedRuns(fields, 1 << 30)
    runs = [edge, days, newest]
    for _ in range(2):
        merged_runs.estimates(runs, _NAMES, 3)
    fields[BucketField("5min", 300, "goals")] = some(5)
    merged_runs.invalidate([("5min", 300)])
    expected = brute(fields, runs, 5)
    for _ in range(3):
        assert merged_runs.estimates(runs, _NAMES, 5) == (estimates(expected[0]), expected[1])
