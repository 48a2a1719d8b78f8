"""Bloom filters of ids, as arrays of numpy. Pure.

An id goes in as its *fingerprint*, 32 bits of its hash, so a filter can be made of fingerprints that were stored. It sets four bits
of one word of 64, so that an id costs one access to memory. With 16 bits an id, a full filter takes one in 180 other ids for one of
its own, and it never misses one of its own.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Fingerprints = NDArray[np.uint32]
_Words = NDArray[np.uint64]

_HASH_SHIFT: Final = np.uint64(31)  # of 63 bits; the lower ones choose the sets
_FACTOR: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 divided by the golden ratio, which spreads the fingerprints
_WORD_SHIFT: Final = np.uint64(32)
_BIT_SHIFTS: Final = (np.uint64(2), np.uint64(8), np.uint64(14), np.uint64(20))
_LAST_BIT: Final = np.uint64(63)
_ONE: Final = np.uint64(1)
_STORED_FINGERPRINT: Final = np.dtype("<u4")
_STORED_WORD: Final = np.dtype("<u8")


class BloomFilters:
    """The filters of the segments of one generation.

    Args:
        size: bytes of a filter.
    """

    def __init__(self, size: int) -> None:
        self._words = size // _STORED_WORD.itemsize
        self._rows: dict[int, int] = {}  # the row of each segment in the matrix
        self._matrix: _Words = np.zeros((0, self._words), np.uint64)

    def __len__(self) -> int:
        """The number of filters."""
        return len(self._rows)

    def __contains__(self, segment: int) -> bool:
        """Tell if a segment has a filter."""
        return segment in self._rows

    def load(self, segment: int, value: bytes, *, is_filter: bool) -> None:
        """Take a stored segment: its filter, or its fingerprints."""
        if is_filter:
            self._row(segment)[:] = np.frombuffer(value, _STORED_WORD)
        else:
            self._set(self._row(segment), np.frombuffer(value, _STORED_FINGERPRINT))

    def add(self, segment: int, hashes: Sequence[int]) -> None:
        """Add ids to a segment."""
        self._set(self._row(segment), _fingerprints(hashes))

    def completed(self, segment: int, hashes: Sequence[int]) -> bytes:
        """The filter of a segment as it will be with these ids, to be stored."""
        row = self._matrix[self._rows[segment]].copy() if segment in self else np.zeros(self._words, np.uint64)
        self._set(row, _fingerprints(hashes))
        return row.astype(_STORED_WORD).tobytes()

    @staticmethod
    def fingerprints(hashes: Sequence[int]) -> bytes:
        """The fingerprints of hashes of 63 bits, to be stored: 4 bytes each."""
        return _fingerprints(hashes).tobytes()

    def possible(self, hashes: Sequence[int]) -> list[int]:
        """The hashes that the filters may hold."""
        words, bits = self._places(_fingerprints(hashes))
        found = ((self._matrix[: len(self), words] & bits) == bits).any(axis=0)
        return [hashes[at] for at in np.flatnonzero(found).tolist()]

    def _row(self, segment: int) -> _Words:
        """The filter of a segment, an empty one if it has none."""
        number = self._rows.setdefault(segment, len(self))
        if number == len(self._matrix):  # rows without a bit take no memory
            matrix = np.zeros((2 * number + 2, self._words), np.uint64)
            matrix[:number] = self._matrix
            self._matrix = matrix
        row: _Words = self._matrix[number]
        return row

    def _set(self, row: _Words, ids: _Fingerprints) -> None:
        np.bitwise_or.at(row, *self._places(ids))

    def _places(self, ids: _Fingerprints) -> tuple[NDArray[np.int64], _Words]:
        """The word of each id, and its bits there."""
        mixed = ids.astype(np.uint64) * _FACTOR
        bits = np.zeros(ids.size, np.uint64)
        for shift in _BIT_SHIFTS:
            bits |= _ONE << ((mixed >> shift) & _LAST_BIT)
        return ((mixed >> _WORD_SHIFT) % np.uint64(self._words)).astype(np.int64), bits


def _fingerprints(hashes: Sequence[int]) -> _Fingerprints:
    return (np.array(hashes, np.uint64) >> _HASH_SHIFT).astype(_STORED_FINGERPRINT)
