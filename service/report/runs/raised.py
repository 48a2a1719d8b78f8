"""Registers of a run that lie above those of a longer one, and the estimates of both together. Pure.

A report over weeks is one long run of days, and hours at its edges that raise few of its registers. So of the hours only these are
kept. The report's estimates follow from the weights of the days and the changes that the raised registers make to them. Merging and
weighing all registers would take five times as long.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidedata.sketches.hyperloglog import (
    LARGEST,
    REGISTERS,
    WEIGHTS,
    Registers,
    Stack,
    Weights,
    estimates_of,
    merge,
    weights,
)

Indexes = NDArray[np.int64]

# The largest share of registers that is worth it.
_MOST_RAISED: Final = 1 / 12
_VALUE_BITS: Final = 6  # of a register


class Base(NamedTuple):
    """The registers of a long run, and the sums of their weights."""

    rows: Registers
    weights: Weights


class Raised(NamedTuple):
    """Registers above those of a base: `indexes` ascend, `ends` has the end of each row in them, after a 0."""

    indexes: Indexes
    values: Registers
    ends: Indexes
    change: Weights  # of the base's weights

    @property
    def rows(self) -> int:
        """Number of rows of the base."""
        return len(self.change)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 1_000 + 9 * len(self.indexes)


class RaisedRun(NamedTuple):
    """Merged buckets as far as they lie above those of a longer run, None if too much of them does; and sums of counts."""

    raised: Raised | None
    sums: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 1_000 if self.raised is None else self.raised.size


def base_of(rows: Registers) -> Base | None:
    """Weigh the registers of a long run; None if a register has no weight."""
    found = weights(rows)
    return None if found is None else Base(rows, found)


def raised_by_rows(base: Base, rows: Registers) -> Raised | None:
    """Find the registers that lie above those of a base with the same rows; None if too many do."""
    higher = (rows > base.rows).reshape(-1)
    if np.count_nonzero(higher) > _MOST_RAISED * len(higher):
        return None
    indexes = np.flatnonzero(higher)
    return _raised(base, indexes, rows.reshape(-1)[indexes])


def raised_by_stacks(base: Base, stacks: Sequence[Stack]) -> Raised | None:
    """Find the registers of stacks that lie above those of a base; None if too many do."""
    if any(stack.large for stack in stacks):
        rows = np.zeros_like(base.rows)
        merge(rows, stacks)
        return raised_by_rows(base, rows)
    flat = base.rows.reshape(-1)
    masks = [stack.values > flat.take(stack.indexes) for stack in stacks]
    above = [(stack.indexes[mask], stack.values[mask]) for stack, mask in zip(stacks, masks, strict=True)]
    found = _union(above, len(base.rows))
    return None if found is None else _raised(base, *found)


def sparse_estimates(sketches: Sequence[tuple[Indexes, Registers]], rows: int) -> list[int] | None:
    """Estimate rows from registers above 0 with their values, as a `Stack` has them; None if they are too many for it."""
    found = _union(sketches, rows)
    if found is None or (len(found[1]) and found[1].max() > LARGEST):
        return None
    indexes, values = found
    change = _change(np.zeros_like(values), values, _ends(indexes, rows))
    return estimates_of(change + REGISTERS * WEIGHTS[0])


def _union(sketches: Sequence[tuple[Indexes, Registers]], rows: int) -> tuple[Indexes, Registers] | None:
    """The largest value of each register that is named, in order; None if too many are."""
    if sum(len(indexes) for indexes, _ in sketches) > _MOST_RAISED * rows * REGISTERS:
        return None
    if not sketches:
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    # Index and value in one number: the last one of an index has its largest value.
    packed = np.concatenate([indexes for indexes, _ in sketches]) << _VALUE_BITS
    packed |= np.concatenate([values for _, values in sketches])
    packed.sort()
    indexes = packed >> _VALUE_BITS
    last = np.flatnonzero(np.diff(indexes, append=-1))
    return indexes[last], (packed[last] & (1 << _VALUE_BITS) - 1).astype(np.uint8)


def _raised(base: Base, indexes: Indexes, values: Registers) -> Raised | None:
    if len(values) and values.max() > LARGEST:
        return None
    ends = _ends(indexes, len(base.rows))
    return Raised(indexes, values, ends, _change(base.rows.reshape(-1).take(indexes), values, ends))


def estimates_over(base: Base, raised: Sequence[Raised]) -> list[int]:
    """Estimate each row of a base merged with what is raised over it."""
    total = base.weights.copy()
    registers = None
    for run in sorted(raised, key=lambda run: len(run.indexes), reverse=True):
        if registers is None:
            # The change is known. The next ones change registers that may have been raised before.
            registers = base.rows.reshape(-1).copy()
            registers[run.indexes] = run.values
            total += run.change
        else:
            before = registers.take(run.indexes)
            after = np.maximum(before, run.values)
            registers[run.indexes] = after
            total += _change(before, after, run.ends)
    return estimates_of(total)


def _ends(indexes: Indexes, rows: int) -> Indexes:
    return np.searchsorted(indexes, np.arange(rows + 1) * REGISTERS)


def _change(before: Registers, after: Registers, ends: Indexes) -> Weights:
    """The changes of weights by row, of registers whose rows end there."""
    changes = np.zeros(len(before) + 1, np.int64)
    np.subtract(WEIGHTS.take(after), WEIGHTS.take(before), out=changes[:-1])
    # Of an empty row `reduceat` gives the next number.
    sums: Weights = np.where(ends[:-1] < ends[1:], np.add.reduceat(changes, ends[:-1]), 0)
    return sums
