"""Merged runs of buckets: the same as merging every bucket again, whatever was cached, changed or evicted in between."""

import numpy as np
import pytest

from sidedata.calendar.tiling import Run
from sidedata.hyperloglog import REGISTERS, Registers, Stack, empty, merge
from sidedata.reads.workflow_parts import BucketField
from sidedata.service.report.merged_runs import MOST_ROWS, CachedField, MergedRun, MergedRuns
from sidedata.service.report.plan import FIELD_NAMES

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
