"""HyperLogLog registers as Redis keeps them: read, merged and counted outside of Redis. Pure.

A HyperLogLog answers "how many different elements were there" from 16,384 registers. An element is hashed to 64 bits; 14 of
them choose a register, and the register keeps the longest run of zeros, plus one, that it has seen in the other 50. Many
elements make long runs likely. Two sketches are merged by the larger value of each register, as if one had seen it all.

Redis stores a sketch as a string (src/hyperloglog.c), which GET returns:

    "HYLL" | encoding (0 dense, 1 sparse) | 3 unused bytes | 8 bytes of cached count | registers

dense: 6 bits a register, least significant bits first, so 3 bytes hold 4 registers:

    byte 0    byte 1    byte 2
    11000000  22221111  33333322      (the digit is the register that the bit belongs to)

sparse: operations that describe runs of registers, for sketches with few elements and for old hours; see `sparse_sketch`.

The cached count is PFCOUNT's last result; the highest bit of its last byte tells that an element was added since.

The estimate is Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, algorithm 6), which
Redis uses too: results equal PFCOUNT's. The standard error is 1.04 / sqrt(16384) = 0.81 %. A missing key is an empty sketch.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidedata.sketches.ertl import ALPHA_INFINITY, sigma_of, tau
from sidedata.sketches.sparse_sketch import LONG, REGISTERS, Registers, registers_of, unpack_sparse

__all__ = [
    "DENSE_BYTES",
    "LARGEST",
    "REGISTERS",
    "WEIGHTS",
    "Registers",
    "Stack",
    "Weights",
    "empty",
    "estimates",
    "estimates_of",
    "merge",
    "unpack",
    "weights",
]

_RUN_BITS: Final = 50  # of the hash; the longest run plus one is 51
_HEADER: Final = 16
DENSE_BYTES: Final = _HEADER + REGISTERS * 6 // 8  # of a dense sketch
# Bytes of sparse sketches that are decoded at once: for a single sketch numpy's fixed costs would dominate, and the
# intermediate arrays of all of them would not fit in the processor's cache.
_TOGETHER_BYTES: Final = 1 << 14
_DENSE_TOGETHER: Final = 8  # sketches, for the same reasons
_NOTHING: Final = np.empty(0, np.int64), np.empty(0, np.uint8)  # indexes and values of no registers

Weights = NDArray[np.int64]  # of a row's registers together, by row


class Stack(NamedTuple):
    """Several sketches, each in a row of its own: the registers of short sparse sketches that are not 0, and large sketches.

    Large ones are dense sketches, which stay as received, and long sparse ones, which stay so until the first merge puts their
    registers in their place. A dense sketch takes a quarter less memory than its registers. The first write to fresh registers
    alone takes longer than to unpack the sketch again; for a sparse one that takes ten times as long.
    """

    large: list[tuple[int, bytes | Registers]]
    indexes: NDArray[np.int64]  # row * REGISTERS + register, ascending, each once
    values: Registers  # at those indexes

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        large = sum(DENSE_BYTES if _is_dense(sketch) else REGISTERS for _, sketch in self.large)
        return 300 + 200 * len(self.large) + large + 9 * len(self.indexes)

    @property
    def stored_estimate(self) -> int | None:
        """The estimate that is stored in the header of the only sketch; None if there are more, or it holds no estimate."""
        sketch = self.large[0][1] if len(self.large) == 1 and not len(self.indexes) else None
        return stored_estimate(sketch) if isinstance(sketch, bytes) else None


def stored_estimate(sketch: bytes) -> int | None:
    """The estimate that is stored in a sketch's header; None if elements were added since."""
    return None if sketch[_HEADER - 1] & 0x80 else int.from_bytes(sketch[_HEADER - 8 : _HEADER], "little")


def _is_dense(sketch: bytes | Registers) -> bool:
    return isinstance(sketch, bytes) and sketch[4] == 0


def unpack(groups: Iterable[Sequence[tuple[int, bytes]]]) -> list[Stack]:
    """Sketches as GET returned them, each with its row; a stack for each group of them, whose rows ascend.

    Raises:
        ValueError: a value is no HyperLogLog.
    """
    stacks: list[Stack] = []
    together: list[Sequence[tuple[int, bytes]]] = []
    size = 0
    for group in groups:
        together.append(group)
        size += sum(len(sketch) for _, sketch in group if len(sketch) <= LONG)
        if size > _TOGETHER_BYTES:
            stacks += _unpack_together(together)
            together, size = [], 0
    return stacks + _unpack_together(together)


def _unpack_together(groups: Sequence[Sequence[tuple[int, bytes]]]) -> list[Stack]:
    large: list[list[tuple[int, bytes | Registers]]] = []
    rows: list[int] = []
    payloads: list[bytes] = []
    ends: list[int] = []
    for group in groups:
        large.append([])
        for row, sketch in group:
            if sketch[:4] != b"HYLL" or len(sketch) <= _HEADER or (sketch[4] == 0 and len(sketch) != DENSE_BYTES):
                raise ValueError("not a HyperLogLog")
            if sketch[4] == 0 or len(sketch) > LONG:
                large[-1].append((row, sketch))
            else:
                rows.append(row)
                payloads.append(sketch[_HEADER:])
        ends.append(len(payloads))
    if not payloads:
        return [Stack(sketches, *_NOTHING) for sketches in large]
    which, registers, values = unpack_sparse(payloads)
    indexes = np.array(rows, np.int64)[which] * REGISTERS + registers
    stacks, first = [], 0
    for sketches, last in zip(large, np.searchsorted(which, ends).tolist(), strict=True):
        # Copies, so that none keeps the memory of all.
        parts = (indexes[first:last].copy(), values[first:last].copy()) if first < last else _NOTHING
        stacks.append(Stack(sketches, *parts))
        first = last
    return stacks


def empty(rows: int) -> Registers:
    """Rows of registers that have seen nothing."""
    return np.zeros((rows, REGISTERS), np.uint8)


def merge(into: Registers, stacks: Iterable[Stack], first_row: int = 0) -> None:
    """Merge stacks' rows into registers whose first row is that one; rows beyond either end are left out."""
    rows = len(into)
    dense: dict[int, list[bytes]] = {}
    for stack in stacks:
        for position, (row, sketch) in enumerate(stack.large):
            if not first_row <= row < first_row + rows:
                continue
            if isinstance(sketch, bytes) and sketch[4] == 0:
                dense.setdefault(row - first_row, []).append(sketch)
                continue
            registers = registers_of(sketch[_HEADER:]) if isinstance(sketch, bytes) else sketch
            stack.large[position] = (row, registers)
            np.maximum(into[row - first_row], registers, out=into[row - first_row])
        indexes, values = stack.indexes, stack.values
        if not len(indexes):
            continue
        if first_row or indexes[-1] >= rows * REGISTERS:
            low, high = np.searchsorted(indexes, (first_row * REGISTERS, (first_row + rows) * REGISTERS)).tolist()
            indexes, values = indexes[low:high] - first_row * REGISTERS, values[low:high]
        flat = into.reshape(-1)
        # A stack names each index once, so plain indexing does.
        flat[indexes] = np.maximum(flat[indexes], values)
    for row, sketches in dense.items():
        for first in range(0, len(sketches), _DENSE_TOGETHER):
            unpacked = _unpack_dense(sketches[first : first + _DENSE_TOGETHER])
            np.maximum(into[row], np.maximum.reduce(unpacked), out=into[row])


def _unpack_dense(sketches: Sequence[bytes]) -> Registers:
    """Rows of registers: 4 registers from every 3 bytes, as words of 32 bits that begin there."""
    shape, strides = (len(sketches), REGISTERS // 4), (DENSE_BYTES, 3)
    # One byte early, so that the last word ends with the sketch; its lowest bits belong to the byte before.
    words = np.ndarray(shape, "<u4", b"".join(sketches), _HEADER - 1, strides) >> np.uint32(8)
    # The upper two registers move up by 4 bits, then the upper one of each two by 2: x + x * 15 is x << 4.
    words += (words & 0xFFF000) * np.uint32(15)
    words += (words & 0x0FC00FC0) * np.uint32(3)
    return words.astype("<u4", copy=False).view(np.uint8)


def estimates(rows: Registers) -> list[int]:
    """Estimate the number of distinct elements of each row of registers, as PFCOUNT would."""
    found = weights(rows) if len(rows) else _NOTHING[0]
    if found is not None:
        return estimates_of(found)
    histograms = (np.bincount(registers, minlength=_RUN_BITS + 2).tolist() for registers in rows)
    return _rounded(np.array([_harmonic_sum(histogram) for histogram in histograms]))


def weights(rows: Registers) -> Weights | None:
    """Sum the `WEIGHTS` of each row's registers; None if a register has none."""
    # Whole units of 2^-15 for registers up to 15, of 2^-31 for the few beyond: exact, in a fifth of the time of counting values.
    units = np.add.reduce(np.right_shift(_ONE, rows, dtype=np.uint16), axis=1, dtype=np.uint32)
    # Small sketches have none. They are few, so the search takes eight at a time.
    eights = np.flatnonzero((rows > _HALF).view(np.uint64) != 0) if rows.max() > _HALF else _NOTHING[0]
    beyond = rows.reshape(-1, 8)[eights]
    if len(eights) and beyond.max() > LARGEST:
        return None
    small = np.bincount(eights // (REGISTERS // 8), _BEYOND[beyond].sum(axis=1), len(rows))
    zeros = REGISTERS - np.array([np.count_nonzero(registers) for registers in rows])
    found: Weights = (zeros << _ZERO_BITS) + ((units - (zeros << _HALF)) << (_HALF + 1)) + small.astype(np.int64)
    return found


def estimates_of(weights: Weights) -> list[int]:
    """The estimate of each row, from the sum of the `WEIGHTS` of its registers."""
    sigmas = np.array([sigma_of(zeros) for zeros in (weights >> _ZERO_BITS).tolist()])
    return _rounded((weights & _UNITS - 1) / _UNIT + sigmas)


# The largest register that has a weight: of a million elements, one in two thousand sketches has a larger one.
LARGEST: Final = 31
_UNIT: Final = 1 << LARGEST
_ZERO_BITS: Final = 46
_UNITS: Final = 1 << _ZERO_BITS  # more than all registers that are not 0 weigh together
# An estimate needs the sum of 2^-register and the number of zeros. Weights have both: the lower bits are units of 2^-31.
WEIGHTS: Final = np.array([_UNITS, *(_UNIT >> register for register in range(1, LARGEST + 1))], np.int64)
_HALF: Final = 15  # the largest register that its power of two fits 16 bits for
_ONE: Final = np.uint16(1 << _HALF)
_BEYOND: Final = np.array([0] * (_HALF + 1) + [1 << power for power in reversed(range(_HALF + 1))])  # units of 2^-31


def _harmonic_sum(histogram: Sequence[int]) -> float:
    m = float(REGISTERS)
    z = m * tau((m - histogram[_RUN_BITS + 1]) / m)
    for count in reversed(histogram[1 : _RUN_BITS + 1]):
        z = (z + count) * 0.5
    return z + sigma_of(histogram[0])


def _rounded(z: NDArray[np.float64]) -> list[int]:
    """The estimates; rounded as C's llroundl does, where Python's own rounding goes to even."""
    return [int(estimate) for estimate in (ALPHA_INFINITY * REGISTERS * REGISTERS / z + 0.5).tolist()]
