"""The sparse form of HyperLogLogs in Redis: decoded for many short sketches at once or for a long one, and encoded. Pure.

Operations describe runs of registers, in the order of the registers:

    00xxxxxx            ZERO   the next x + 1 registers are 0
    01xxxxxx yyyyyyyy   XZERO  the next (x, y as 14 bits) + 1 registers are 0
    1vvvvvxx            VAL    the next x + 1 registers are v + 1

Redis reads, counts and merges sketches of this form at any length. Its `hll-sparse-max-bytes` only decides when PFADD makes a
sketch dense.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

REGISTERS: Final = 1 << 14

LONG: Final = 3_000  # bytes; PFADD leaves no longer ones, by the default of `hll-sparse-max-bytes`
_LARGEST_VALUE: Final = 32  # of a register in this form
_MOST_VALUES, _MOST_ZEROS = 4, 64  # registers of a VAL and of a ZERO
# By an operation's first byte: the number of its registers, 0 for XZERO, whose second byte tells it; and their value.
_LENGTHS: Final = bytes((code & 3) + 1 if code & 0x80 else 0 if code & 0x40 else code + 1 for code in range(256))
_VALUES: Final = bytes((code >> 2 & 31) + 1 if code & 0x80 else 0 for code in range(256))

Registers = NDArray[np.uint8]  # 16,384 of one sketch, or a row of them for each of several


def unpack_sparse(payloads: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64], Registers]:
    """Of all sketches in a row: which of them, register and value, for those registers that are not 0."""
    # Behind each stands a ZERO of one register: it keeps a last byte from being read as the beginning of something.
    code = np.frombuffer(b"\0".join([*payloads, b""]), np.uint8)
    xzero, second = _xzeros(code)
    # Lengths less one, of the operations with one byte.
    length = np.where(code & 0x80, code & 3, code & 0x3F).astype(np.uint16)
    at = np.flatnonzero(xzero)
    length[at] = (code[at] & 0x3F).astype(np.uint16) << 8 | code[at + 1]
    length += 1
    length *= ~second
    end = np.cumsum(length, dtype=np.int64)
    if end[-1] != len(payloads) * (REGISTERS + 1):
        raise ValueError("not a HyperLogLog")
    at = np.flatnonzero((code >= 0x80) & ~second)
    value: Registers = (((code[at] >> 2) & 31) + 1).astype(np.uint8)
    run = length[at].astype(np.int64)
    index: NDArray[np.int64] = end[at] - run
    if len(run) and run.max() > 1:
        before = np.cumsum(run) - run
        index = np.repeat(index - before, run)
        index += np.arange(len(index))
        value = np.repeat(value, run)
    which: NDArray[np.int64] = index // (REGISTERS + 1)
    return which, index - which * (REGISTERS + 1), value


def registers_of(payload: bytes) -> Registers:
    """All registers of one sketch, in a third of the time of `unpack_sparse` for a long one.

    Raises:
        ValueError: this is no sketch.
    """
    lengths = payload.translate(_LENGTHS)
    if 0 in lengths:
        _, index, value = unpack_sparse([payload])
        registers: Registers = np.zeros(REGISTERS, np.uint8)
        registers[index] = value
        return registers
    values = np.frombuffer(payload.translate(_VALUES), np.uint8)
    registers = np.repeat(values, np.frombuffer(lengths, np.uint8).astype(np.intp))
    if len(registers) != REGISTERS:
        raise ValueError("not a HyperLogLog")
    return registers


def encode_sparse(registers: Registers) -> bytes | None:
    """The sparse form of a sketch's registers; None if a register is too large for it."""
    if registers.max() > _LARGEST_VALUE:
        return None
    first = np.flatnonzero(np.diff(registers, prepend=registers[0] + 1))  # of each run of equal registers
    run = np.diff(first, append=REGISTERS)
    value = registers[first].astype(np.int64)
    most = np.where(value > 0, _MOST_VALUES, _MOST_ZEROS)
    # Two ZEROs are as long as one XZERO, and read faster.
    xzero = (value == 0) & (run > 2 * _MOST_ZEROS)
    count = np.where(xzero, 1, -(-run // most))
    last = np.cumsum(count) - 1
    run_of = np.repeat(np.arange(len(run)), count)  # by operation
    length = most[run_of]
    length[last] = np.where(xzero, run, run - (count - 1) * most)
    value, xzero = value[run_of], xzero[run_of]
    at = np.cumsum(1 + xzero) - 1 - xzero
    code = np.empty(len(value) + np.count_nonzero(xzero), np.uint8)
    code[at] = np.where(value > 0, 0x80 | value - 1 << 2 | length - 1, length - 1)
    code[at[xzero]] = 0x40 | length[xzero] - 1 >> 8
    code[at[xzero] + 1] = length[xzero] - 1 & 0xFF
    return code.tobytes()


def _xzeros(code: Registers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the first and the second byte of each XZERO.

    Only XZERO has a second byte, which may have any value. In a run of bytes that all look like XZERO the first certainly is one
    (no XZERO stands before it), its neighbour is its second byte, and so on.
    """
    like = (code & 0xC0) == 0x40
    xzero = like.copy()
    xzero[1:] &= ~like[:-1]
    second = _next(xzero)
    pending = like & ~xzero & ~second
    while pending.any():
        more = pending & _next(second)
        second |= _next(more)
        xzero |= more
        pending &= ~(more | second)
    return xzero, second


def _next(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    moved = np.zeros_like(mask)
    moved[1:] = mask[:-1]
    return moved
