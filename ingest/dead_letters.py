"""The dead letters of an installation: all of them, one by its id, and their replay."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct

from sidedata.errors import UsageError
from sidedata.events.dead_letter import DeadLetter
from sidedata.reads.streams import dead_letters_before, find_dead_letter
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace, keyspace
from sidedata.writes import dead_letters

_PAGE: Final = 500


class Filter(Struct, frozen=True):
    """A choice of dead letters: those of one organization (in lower case), of one reason, or both."""

    organization: str | None = None
    reason: str | None = None

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Tell if a dead letter is among them."""
        return self.reason in (None, dead_letter.reason) and self.organization in (None, dead_letter.organization)


async def read_all(
    gateway: Gateway, installation: Installation, choice: Filter | None = None
) -> AsyncIterator[DeadLetter]:
    """Read all dead letters that a filter chooses; those of a partition newest first.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    for partition in range(installation.partitions):
        last = "+"
        while True:
            page = await dead_letters_before(gateway, keyspace(partition), last, _PAGE)
            for dead_letter in page:
                if choice is None or choice.matches(dead_letter):
                    yield dead_letter
            if len(page) < _PAGE:
                break
            last = "(" + page[-1].stream_id


async def count(gateway: Gateway, installation: Installation, choice: Filter) -> Counter[tuple[str, str]]:
    """Count the dead letters that a filter chooses, by organization ("" where they name none) and reason.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    counts: Counter[tuple[str, str]] = Counter()
    async for dead_letter in read_all(gateway, installation, choice):
        counts[dead_letter.organization, dead_letter.reason] += 1
    return counts


async def find(gateway: Gateway, installation: Installation, dead_letter_id: str) -> DeadLetter | None:
    """Read a dead letter; None if there is none with that id.

    Raises:
        UsageError: the text is no id of a dead letter.
        StoreUnavailableError: Redis is out of reach.
    """
    return await find_dead_letter(gateway, *_location(installation, dead_letter_id))


async def replay(gateway: Gateway, installation: Installation, dead_letter_id: str) -> bool:
    """Send a dead letter's event again and remove the dead letter, atomically; False if there is none with that id.

    Raises:
        UsageError: the text is no id of a dead letter.
        StoreUnavailableError: Redis is out of reach.
    """
    space, entry = _location(installation, dead_letter_id)
    dead_letter = await find_dead_letter(gateway, space, entry)
    return dead_letter is not None and await dead_letters.replay(gateway, space, dead_letter)


async def drop(gateway: Gateway, installation: Installation, dead_letter_ids: Sequence[str]) -> int:
    """Delete dead letters and return how many of them existed.

    Raises:
        UsageError: a text is no id of a dead letter.
        StoreUnavailableError: Redis is out of reach.
    """
    dropped = 0
    for space, entry in [_location(installation, dead_letter_id) for dead_letter_id in dead_letter_ids]:
        dead_letter = await find_dead_letter(gateway, space, entry)
        if dead_letter is not None:
            dropped += await dead_letters.drop(gateway, space, [dead_letter])
    return dropped


async def drop_all(gateway: Gateway, installation: Installation, choice: Filter) -> int:
    """Delete all dead letters that a filter chooses and return how many there were.

    Raises:
        StoreUnavailableError: Redis is out of reach; some may be gone.
    """
    dropped = 0
    for partition in range(installation.partitions):
        space = keyspace(partition)
        last = "+"
        while page := await dead_letters_before(gateway, space, last, _PAGE):
            selection = [dead_letter for dead_letter in page if choice.matches(dead_letter)]
            if selection:
                dropped += await dead_letters.drop(gateway, space, selection)
            last = "(" + page[-1].stream_id
    return dropped


async def mark_seen(gateway: Gateway, installation: Installation) -> None:
    """Mark all dead letters that exist now as seen.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    for partition in range(installation.partitions):
        space = keyspace(partition)
        newest = await dead_letters_before(gateway, space, "+", 1)
        if newest:
            await dead_letters.mark_seen(gateway, space, newest[0])


def _location(installation: Installation, dead_letter_id: str) -> tuple[Keyspace, str]:
    """Split a dead letter's id into its partition's keyspace and its id in the stream there."""
    partition, slash, entry = dead_letter_id.partition("/")
    ms, dash, sequence = entry.partition("-")
    numbers = (partition, ms, sequence)
    if not (slash and dash and all(number.isascii() and number.isdigit() for number in numbers)):
        raise UsageError(f"not the id of a dead letter: {dead_letter_id!r}; `sidedata dead list` shows them")
    if int(partition) >= installation.partitions:
        raise UsageError(f"there is no partition {partition}")
    return keyspace(int(partition)), entry
