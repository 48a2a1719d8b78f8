"""Merged runs of buckets: the same as merging every bucket anew, whatever was kept, changed or given up in between."""

import numpy as np
import pytest

from sidedata.calendar.tiling import Run
from sidedata.hyperloglog import REGISTERS, Registers, Stack, empty, merge
from sidedata.reads.workflow_parts import Part
from sidedata.service.report.merged_runs import MOST_ROWS, WHATS, Merged, Piece, Unions

DAY = 86_400
_WHATS = WHATS["interaction"]


def piece(dice: np.random.Generator, rows: int) -> Piece:
    """A bucket's part with some sparse rows, a dense one and counts."""
    places = np.unique(dice.integers(0, rows * REGISTERS, 300))
    registers = dice.integers(0, 20, (REGISTERS, 1)).astype(np.uint8)
    bits = np.packbits(registers >> np.arange(6, dtype=np.uint8) & 1, bitorder="little")
    dense = b"HYLL" + bytes(12) + bits.tobytes()
    stack = Stack([(int(dice.integers(rows)), dense)], places, dice.integers(1, 30, len(places)).astype(np.uint8))
    counts = {f"count {number}": int(dice.integers(5)) for number in range(3)}
    return Piece(counts, counts, stack)


def brute(parts: dict[Part, Piece], runs: list[Run], rows: int) -> tuple[Registers, dict[str, int]]:
    """Every bucket merged, one by one."""
    total, sums = empty(rows), dict.fromkeys(("count 0", "count 1", "count 2"), 0)
    for run in runs:
        for start in run.starts:
            for what in _WHATS[run.level]:
                found = parts[Part(run.level, start, what)]
                assert found.stack is not None
                merge(total, [found.stack])
                for name, value in found.sums.items():
                    sums[name] += value
    return total, sums


def same(merged: Merged, expected: tuple[Registers, dict[str, int]], rows: range) -> bool:
    """Whether those rows and all sums are as expected."""
    return bool(np.array_equal(merged.rows, expected[0][rows.start : rows.stop])) and merged.sums == expected[1]


@pytest.mark.parametrize(("rows", "most_bytes"), [(5, 1 << 30), (5, 1 << 20), (MOST_ROWS + 70, 1 << 30)])
def test_runs_are_merged_as_if_nothing_were_kept(rows: int, most_bytes: int) -> None:
    """Random runs in turn with random changes of buckets; few rows or more than are merged at once, much memory or little."""
    dice = np.random.default_rng(9)
    days = [DAY * number for number in range(1, 60)]
    hours = [3600 * number for number in range(24)]
    parts = {
        Part(level, start, what): piece(dice, rows)
        for level, whats in _WHATS.items()
        for start in (days if level == "day" else hours)
        for what in whats
    }
    unions = Unions(parts, most_bytes)
    for _ in range(15):
        runs = []
        for level in _WHATS:
            starts = days if level == "day" else hours
            first, last = sorted(dice.integers(0, len(starts), 2).tolist())
            runs.append(Run(level, tuple(starts[first : last + 1])))
        expected = brute(parts, runs, rows)
        for first in range(0, rows, MOST_ROWS):
            turn = range(first, min(first + MOST_ROWS, rows))
            assert same(unions.merged(runs, _WHATS, turn), expected, turn)
        assert unions.size <= most_bytes
        changed = list(parts)[int(dice.integers(len(parts)))]
        parts[changed] = piece(dice, rows)
        unions.forget([(changed.level, changed.start)])


def test_rows_that_come_later_are_empty_in_what_was_kept() -> None:
    """A goal that is new to a workflow adds rows; what was merged before holds nothing of it."""
    dice = np.random.default_rng(8)
    run = Run("hour", (0, 3600))
    parts = {Part("hour", start, what): piece(dice, 3) for start in run.starts for what in _WHATS["hour"]}
    unions = Unions(parts, 1 << 30)
    unions.merged([run], _WHATS, range(3))
    assert unions.has(run)
    expected = brute(parts, [run], 5)
    assert same(unions.merged([run], _WHATS, range(5)), expected, range(5))
