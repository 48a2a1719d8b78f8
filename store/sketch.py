"""HyperLogLog registers as Redis keeps them: read, merged and counted outside of Redis. Pure.

A HyperLogLog answers "how many different elements were there" from 16,384 registers. An element is hashed to 64 bits; 14 of
them choose a register, and the register keeps the longest run of zeros, plus one, that it has seen in the other 50. Many
elements make long runs likely. Two sketches are merged by the larger value of each register, as if one had seen it all.

Redis stores a sketch as a string (src/hyperloglog.c), which GET returns:

    "HYLL" | encoding (0 dense, 1 sparse) | 3 unused bytes | 8 bytes of cached count | registers

dense: 6 bits a register, least significant bits first, so 3 bytes hold 4 registers:

    byte 0    byte 1    byte 2
    11000000  22221111  33333322      (the digit is the register that the bit belongs to)

sparse: operations that say what runs of registers hold, for sketches with few elements:

    00xxxxxx            ZERO   the next x + 1 registers are 0
    01xxxxxx yyyyyyyy   XZERO  the next (x, y as 14 bits) + 1 registers are 0
    1vvvvvxx            VAL    the next x + 1 registers are v + 1

The estimate is Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, algorithm 6), which
Redis uses too: results equal PFCOUNT's. The standard error is 1.04 / sqrt(16384) = 0.81 %. A missing key is an empty sketch.
"""

from collections.abc import Iterable
from functools import lru_cache
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

REGISTERS: Final = 1 << 14
_RUN_BITS: Final = 50  # of the hash; the longest run plus one is 51
_HEADER: Final = 16
_DENSE_BYTES: Final = REGISTERS * 6 // 8
_FEW_BYTES: Final = 160  # of sparse registers, below which a plain loop beats numpy's fixed costs
_ALPHA_INFINITY: Final = 0.721347520444481703680

Registers = NDArray[np.uint8]


def empty() -> Registers:
    """Registers that have seen nothing."""
    return np.zeros(REGISTERS, np.uint8)


class Sketch(NamedTuple):
    """A sketch taken apart: all registers of a dense one, else the places and values of those that are not 0."""

    registers: Registers
    places: NDArray[np.int64] | None

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 200 + self.registers.nbytes + (self.places.nbytes if self.places is not None else 0)


def unpack(sketch: bytes) -> Sketch:
    """A sketch as GET returned it.

    Raises:
        ValueError: the value is no HyperLogLog.
    """
    if sketch[:4] != b"HYLL" or (sketch[4] == 0 and len(sketch) != _HEADER + _DENSE_BYTES):
        raise ValueError("not a HyperLogLog")
    if sketch[4] == 0:
        return Sketch(_unpack_dense(sketch[_HEADER:]), None)
    payload = sketch[_HEADER:]
    places, values = _unpack_few(payload) if len(payload) <= _FEW_BYTES else _unpack_sparse(payload)
    return Sketch(values, places)


def union(sketches: Iterable[Sketch | None]) -> Registers:
    """The merged registers; None is a missing key."""
    merged = empty()
    for sketch in sketches:
        if sketch is None:
            continue
        # One at a time: a 16 KB accumulator stays in the processor's cache, a stack of all sketches would not.
        if sketch.places is None:
            np.maximum(merged, sketch.registers, out=merged)
        else:
            # A sketch names each place once, so plain indexing does.
            merged[sketch.places] = np.maximum(merged[sketch.places], sketch.registers)
    return merged


def _unpack_dense(payload: bytes) -> Registers:
    """4 registers from every 3 bytes."""
    packed = np.frombuffer(payload, np.uint8).reshape(-1, 3)
    first, second, third = packed[:, 0], packed[:, 1], packed[:, 2]
    registers = np.empty((REGISTERS // 4, 4), np.uint8)
    registers[:, 0] = first & 63
    registers[:, 1] = (first >> 6) | ((second & 15) << 2)
    registers[:, 2] = (second >> 4) | ((third & 3) << 4)
    registers[:, 3] = third >> 2
    return registers.reshape(-1)


def _unpack_few(payload: bytes) -> tuple[NDArray[np.int64], Registers]:
    """The same as `_unpack_sparse`, an operation at a time: quicker while there are few of them."""
    places: list[int] = []
    values: list[int] = []
    register = at = 0
    while at < len(payload):
        code = payload[at]
        if code & 0x80:
            run = (code & 3) + 1
            places.extend(range(register, register + run))
            values.extend([((code >> 2) & 31) + 1] * run)
        elif code & 0x40:
            at += 1
            run = ((code & 0x3F) << 8 | payload[at]) + 1
        else:
            run = code + 1
        register += run
        at += 1
    return np.array(places, np.int64), np.array(values, np.uint8)


def _unpack_sparse(payload: bytes) -> tuple[NDArray[np.int64], Registers]:
    """Places and values of the registers that are not 0.

    Only XZERO has a second byte, which may look like anything. In a run of bytes that all look like XZERO the first is one
    for certain (what stands before it is none), its neighbour is its second byte, and so on: every other byte is an operation.
    """
    code = np.frombuffer(payload, np.uint8)
    like_xzero = (code & 0xC0) == 0x40
    index = np.arange(len(code))
    begins = like_xzero.copy()
    begins[1:] &= ~like_xzero[:-1]
    run_start = np.maximum.accumulate(np.where(begins, index, -1))
    xzero = like_xzero & ((index - run_start) % 2 == 0)
    operation = np.ones(len(code), bool)
    operation[1:] = ~xzero[:-1]
    wide = code.astype(np.int64)
    following = np.append(wide[1:], 0)
    value = np.where(code & 0x80, ((wide >> 2) & 31) + 1, 0)
    length = np.where(
        code & 0x80, (wide & 3) + 1, np.where(xzero, ((wide & 0x3F) << 8 | following) + 1, (wide & 0x3F) + 1)
    )
    value, length = value[operation], length[operation]
    start = np.cumsum(length) - length
    held = value > 0
    lengths = length[held]
    first = np.repeat(start[held] - (np.cumsum(lengths) - lengths), lengths)
    return first + np.arange(len(first)), np.repeat(value[held], lengths).astype(np.uint8)


def estimate(registers: Registers) -> int:
    """How many different elements the registers have seen, as PFCOUNT would say."""
    histogram = np.bincount(registers, minlength=_RUN_BITS + 2)
    if histogram[0] == REGISTERS:
        return 0
    return _estimate(tuple(histogram[: _RUN_BITS + 2].tolist()))


@lru_cache(maxsize=4096)
def _estimate(histogram: tuple[int, ...]) -> int:
    m = float(REGISTERS)
    z = m * _tau((m - histogram[_RUN_BITS + 1]) / m)
    for count in reversed(histogram[1 : _RUN_BITS + 1]):
        z = (z + count) * 0.5
    z += m * _sigma(histogram[0] / m)
    return round_half_away(_ALPHA_INFINITY * m * m / z)


def round_half_away(value: float) -> int:
    """C's llroundl for values that are not negative; Python's own rounding goes to even."""
    return int(value + 0.5)


def _sigma(x: float) -> float:
    if x == 1.0:
        return float("inf")
    y, z = 1.0, x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1.0 - x
    while True:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
        if z == before:
            return z / 3.0
