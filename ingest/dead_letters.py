"""Dead letters: listed, shown, and sent again."""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from sidedata.errors import UsageError
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.schema.installation import Installation

_REPLAY = script("replay")
_PAGE = 500


class DeadLetter(Struct):
    """An event that could not be applied; `id` is `<partition>/<id in its stream of dead letters>`."""

    id: str
    at: str
    reason: str
    detail: str
    entry: str
    event: bytes


def _letter(partition: int, entry: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    letter_id = f"{partition}/{entry.decode()}"
    return DeadLetter(
        letter_id, text(b"at"), text(b"reason"), text(b"detail"), text(b"entry"), fields.get(b"event", b"")
    )


async def letters(client: Client, installation: Installation, reason: str | None = None) -> AsyncIterator[DeadLetter]:
    """All dead letters, those of a partition newest first."""
    for partition in range(installation.partitions):
        last = "+"
        while True:
            with translated():
                page: list[Any] = await client.xrevrange(keys.dead(partition), last, "-", count=_PAGE)
            for entry, fields in page:
                letter = _letter(partition, entry, fields)
                if reason is None or letter.reason == reason:
                    yield letter
            if len(page) < _PAGE:
                break
            last = "(" + page[-1][0].decode()


def _place(installation: Installation, letter_id: str) -> tuple[int, str]:
    partition, slash, entry = letter_id.partition("/")
    ms, dash, sequence = entry.partition("-")
    numbers = (partition, ms, sequence)
    if not (slash and dash and all(number.isascii() and number.isdigit() for number in numbers)):
        raise UsageError(f"not the id of a dead letter: {letter_id!r}; `sidedata dead list` shows them")
    if int(partition) >= installation.partitions:
        raise UsageError(f"there is no partition {partition}")
    return int(partition), entry


async def find(client: Client, installation: Installation, letter_id: str) -> DeadLetter | None:
    """One dead letter.

    Raises:
        UsageError: the id is none.
    """
    partition, entry = _place(installation, letter_id)
    with translated():
        found = await client.xrange(keys.dead(partition), entry, entry)
    return _letter(partition, *found[0]) if found else None


async def replay(client: Client, installation: Installation, letter_id: str) -> bool:
    """Send a dead letter's event again and take the letter away, at once; False if there is no such letter.

    Raises:
        UsageError: the id is none.
    """
    partition, entry = _place(installation, letter_id)
    with translated():
        return bool(await _REPLAY(client, [keys.dead(partition), keys.events(partition)], [entry]))
