"""The dead letters of an installation: all of them, one by its id, and their replay."""

from collections.abc import AsyncIterator
from typing import Final

from sidedata.errors import UsageError
from sidedata.events.dead_letter import DeadLetter
from sidedata.reads.streams import dead_letters_before, find_dead_letter
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace, keyspace
from sidedata.writes import dead_letters

_PAGE: Final = 500


async def read_all(
    gateway: Gateway, installation: Installation, reason: str | None = None
) -> AsyncIterator[DeadLetter]:
    """Read all dead letters, or those of one reason; those of a partition newest first.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    for partition in range(installation.partitions):
        last = "+"
        while True:
            page = await dead_letters_before(gateway, keyspace(partition), last, _PAGE)
            for letter in page:
                if reason is None or letter.reason == reason:
                    yield letter
            if len(page) < _PAGE:
                break
            last = "(" + page[-1].id.partition("/")[2]


async def find(gateway: Gateway, installation: Installation, letter_id: str) -> DeadLetter | None:
    """Read a dead letter; None if there is none with that id.

    Raises:
        UsageError: the text is no id of a dead letter.
        StoreUnavailableError: Redis is out of reach.
    """
    return await find_dead_letter(gateway, *_location(installation, letter_id))


async def replay(gateway: Gateway, installation: Installation, letter_id: str) -> bool:
    """Send a dead letter's event again and remove the dead letter, atomically; False if there is none with that id.

    Raises:
        UsageError: the text is no id of a dead letter.
        StoreUnavailableError: Redis is out of reach.
    """
    return await dead_letters.replay(gateway, *_location(installation, letter_id))


def _location(installation: Installation, letter_id: str) -> tuple[Keyspace, str]:
    """Split a dead letter's id into its partition's keyspace and its id in the stream there."""
    partition, slash, entry = letter_id.partition("/")
    ms, dash, sequence = entry.partition("-")
    numbers = (partition, ms, sequence)
    if not (slash and dash and all(number.isascii() and number.isdigit() for number in numbers)):
        raise UsageError(f"not the id of a dead letter: {letter_id!r}; `sidedata dead list` shows them")
    if int(partition) >= installation.partitions:
        raise UsageError(f"there is no partition {partition}")
    return keyspace(int(partition)), entry
