"""The sparse form of HyperLogLogs in Redis, decoded for many sketches at once. Pure.

Operations describe runs of registers, in the order of the registers:

    00xxxxxx            ZERO   the next x + 1 registers are 0
    01xxxxxx yyyyyyyy   XZERO  the next (x, y as 14 bits) + 1 registers are 0
    1vvvvvxx            VAL    the next x + 1 registers are v + 1
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

REGISTERS: Final = 1 << 14

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
