"""The pages of an organization's dead letters: by the indexes of the partitions, and by a search where letters have none.

Letters of older versions are in no index, and neither are those whose index could not be written; the cursor of a partition tells
which. They are searched in ranges of the partition's stream, newest first. A page reads a bounded number of letters, whosever they
are, so it may hold fewer than were asked for; the position that it got to is the mark of the next one.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from sidedata.batched import batched
from sidedata.events.dead_letter import DeadLetter
from sidedata.reads.streams import (
    IndexBounds,
    dead_letter_ids,
    dead_letters_before,
    find_dead_letter,
    read_index_bounds,
)
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace, keyspace

_ID: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,19})-([0-9]{1,20})")
_READS_AT_ONCE: Final = 20
# Bytes of events that are read for one page, about: a letter may hold an entry of 16 MB.
_PAGE_BYTES: Final = 4 << 20
# Letters without an index that a page reads, about, and the number of one read.
_SEARCHED_LETTERS: Final = 1_000
_SEARCHED_AT_ONCE: Final = 50

# Milliseconds, number and partition of a letter's id: their order is that of the list.
Position = tuple[int, int, int]
_MAX_NUMBER: Final = (1 << 64) - 2  # one below Redis's greatest, so that a next one exists
_LAST: Final[Position] = (0, 0, -1)


class LetterPage(Struct):
    """The letters of a page, newest first, and the id before which the next page goes on; None: there is no more."""

    letters: list[DeadLetter]
    next_id: str | None


class _Range(Struct):
    """A range of a partition's stream that is searched: its bounds, and the position down to which that is complete."""

    space: Keyspace
    last: str
    first: str
    boundary: Position
    is_open: bool = True


def position_of(dead_letter_id: str) -> Position | None:
    """Read the id of a dead letter; None for other text."""
    match = _ID.fullmatch(dead_letter_id)
    if match is None or int(match[3]) > _MAX_NUMBER:
        return None
    return int(match[2]), int(match[3]), int(match[1])


class LetterPager:
    """Reads a page of an organization's dead letters.

    Args:
        before: the position that the page begins behind; None begins with the newest letter.
        limit: the number of letters at most.
    """

    def __init__(
        self, gateway: Gateway, partitions: int, organization: str, before: Position | None, limit: int
    ) -> None:
        self._gateway = gateway
        self._spaces = [keyspace(partition) for partition in range(partitions)]
        self._organization = organization
        self._before = before
        self._limit = limit
        self._by_position: dict[Position, DeadLetter | None] = {}  # None: in an index, and not read yet
        self._size = 0  # bytes of the letters that were searched

    async def read(self) -> LetterPage:
        """Read the page.

        Raises:
            StoreUnavailableError: Redis is out of reach.
            CommandRefusedError: the account may not read dead letters.
        """
        bounds = await read_index_bounds(self._gateway, self._spaces)
        boundary = await self._read_indexes(bounds)
        boundary = max(boundary, await self._search(bounds))
        positions = [position for position in sorted(self._by_position, reverse=True) if position >= boundary]
        if len(positions) > self._limit:
            positions = positions[: self._limit]
            boundary = positions[-1]
        letters, complete = await self._letters(positions)
        if not complete:
            boundary = positions[len(letters) - 1]
        own = [letter for letter in letters if letter is not None and letter.organization == self._organization]
        return LetterPage(own, None if boundary == _LAST else f"{boundary[2]}/{boundary[0]}-{boundary[1]}")

    async def _read_indexes(self, bounds: Sequence[IndexBounds]) -> Position:
        """Read positions from the indexes; returns the one down to which they are complete."""
        boundary = _LAST
        for spaces in batched(zip(self._spaces, bounds, strict=True), _READS_AT_ONCE):
            reads = [
                dead_letter_ids(
                    self._gateway,
                    space,
                    self._organization,
                    self._last(space, bound.newest),
                    f"({bound.unindexed}",
                    self._limit,
                )
                for space, bound in spaces
            ]
            for ids in await asyncio.gather(*reads):
                positions = [position for position in map(position_of, ids) if position is not None]
                self._by_position.update(dict.fromkeys(positions))
                if len(positions) == self._limit:
                    boundary = max(boundary, positions[-1])
        return boundary

    def _last(self, space: Keyspace, bound: str) -> str:
        """The upper end of a range: the bound, or the id before the page's start if that is older."""
        if self._before is None:
            return bound
        ms, number, partition = self._before
        # Of equal ids, that of the greater partition comes first.
        before = (ms, number) if space.partition >= partition else (ms, number + 1)
        if bound != "+" and _pair(bound) < before:
            return bound
        if before == (0, 0):
            return "0-0"
        return f"({before[0]}-{before[1]}"

    async def _search(self, bounds: Sequence[IndexBounds]) -> Position:
        """Search the letters without an index; returns the position down to which all ranges are complete."""
        ranges = []
        for space, bound in zip(self._spaces, bounds, strict=True):
            start = (1 << 63, 0, space.partition)
            ranges.append(_Range(space, self._last(space, "+"), f"({bound.newest}", start))
            if bound.unindexed != "0-0":
                ranges.append(_Range(space, self._last(space, bound.unindexed), "-", start))
        searched = 0
        for some in batched(ranges, _READS_AT_ONCE):
            searched += sum(await asyncio.gather(*map(self._search_range, some)))
        while (pending := [one for one in ranges if one.is_open]) and self._may_search(searched, pending):
            searched += await self._search_range(max(pending, key=lambda one: one.boundary))
        return max((one.boundary for one in ranges if one.is_open), default=_LAST)

    def _may_search(self, searched: int, pending: Sequence[_Range]) -> bool:
        """Tell if the page has room for letters that are older than those found so far."""
        boundary = max(one.boundary for one in pending)
        count = sum(position >= boundary for position in self._by_position)
        return searched < _SEARCHED_LETTERS and self._size < _PAGE_BYTES and count < self._limit

    async def _search_range(self, one: _Range) -> int:
        """Search the next letters of a range; returns their number."""
        letters = await dead_letters_before(self._gateway, one.space, one.last, _SEARCHED_AT_ONCE, one.first)
        for letter in letters:
            position = position_of(letter.id)
            assert position is not None  # noqa: S101 - an id of Redis
            one.boundary = position
            self._size += len(letter.event)
            if letter.organization == self._organization:
                self._by_position[position] = letter
        if len(letters) < _SEARCHED_AT_ONCE:
            one.is_open = False
        else:
            one.last = f"({one.boundary[0]}-{one.boundary[1]}"
        return len(letters)

    async def _letters(self, positions: Sequence[Position]) -> tuple[list[DeadLetter | None], bool]:
        """Read the letters of positions, in order; False if there are more than a page may have bytes. None: it is gone."""
        letters: list[DeadLetter | None] = []
        size = 0
        for some in batched(positions, _READS_AT_ONCE):
            if size >= _PAGE_BYTES:
                return letters, False
            reads = [self._letter(position) for position in some]
            letters += await asyncio.gather(*reads)
            size += sum(len(letter.event) for letter in letters[-len(some) :] if letter is not None)
        return letters, True

    async def _letter(self, position: Position) -> DeadLetter | None:
        letter = self._by_position[position]
        if letter is not None:
            return letter
        ms, number, partition = position
        return await find_dead_letter(self._gateway, keyspace(partition), f"{ms}-{number}")


def _pair(stream_id: str) -> tuple[int, int]:
    ms, _, number = stream_id.partition("-")
    return int(ms), int(number)
