"""The dead letters of an organization, for its producers: newest first, page by page.

A page reads at most `limit` ids of the organization's index in each partition, and then the letters themselves, so its cost does
not depend on the dead letters of others. Events of one organization go to one partition; others hold those that were misdirected.
"""

import asyncio
import re
from typing import Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from sidedata.errors import CommandRefusedError
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import MAX_EVENT_BYTES
from sidedata.events.lenient import parse_object, trim
from sidedata.events.rejection import Rejection
from sidedata.reads.streams import dead_letter_ids, find_dead_letter
from sidedata.schema.keys import keyspace
from sidedata.service.api.management.paging import next_page, read_page
from sidedata.service.http.auth import ORGANIZATION, RECORD
from sidedata.service.http.problems import FieldError, ProblemError, missing_right
from sidedata.service.http.state import BACKEND, Backend, redis_timeout

_ID: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,19})-([0-9]{1,20})")
_READS_AT_ONCE: Final = 20
# Bytes of events that are read for one page, about: a letter may hold an entry of 16 MB.
_PAGE_BYTES: Final = 4 << 20

Position = tuple[
    int, int, int
]  # milliseconds, sequence and partition of a letter's id: their order is that of the list


class DeadLetterItem(Struct, omit_defaults=True):
    """A dead letter; `event` is shown to tokens that have the scope `admin`, too."""

    id: str
    at: str
    reason: str
    detail: str
    type: str | None
    workflow_id: str | None
    event_id: str | None
    event: str | UnsetType = UNSET
    truncated: bool | UnsetType = UNSET


async def get_dead_letters(request: web.Request) -> web.Response:
    """List the organization's dead letters."""
    page = read_page(request, "before")
    before = _position(page.mark) if page.mark else None
    organization = request[ORGANIZATION]
    with_event = request[RECORD].allows("admin")
    items: list[DeadLetterItem] = []
    size = done = 0
    async with redis_timeout(request):
        try:
            positions = await _positions(request.app[BACKEND], organization, before, page.limit)
            while done < len(positions) and size < _PAGE_BYTES:
                for dead_letter in await _letters(request.app[BACKEND], positions[done : done + _READS_AT_ONCE]):
                    if dead_letter is not None and dead_letter.organization == organization:
                        size += len(dead_letter.event)
                        items.append(_item(dead_letter, with_event=with_event))
                done += _READS_AT_ONCE
        except CommandRefusedError as error:
            raise missing_right("read dead letters", error) from error
    headers = {"Cache-Control": "no-store"}
    if done < len(positions) or len(positions) == page.limit:
        ms, sequence, partition = positions[: max(done, 1)][-1]
        headers["Link"] = next_page(request, page, f"{partition}/{ms}-{sequence}")
    return web.Response(body=msgspec.json.encode(items), content_type="application/json", headers=headers)


async def _positions(backend: Backend, organization: str, before: Position | None, limit: int) -> list[Position]:
    """The newest letters of all partitions, at most `limit`; some may be gone."""
    positions: list[Position] = []
    spaces = [keyspace(partition) for partition in range(backend.installation.partitions)]
    for first in range(0, len(spaces), _READS_AT_ONCE):
        reads = [
            dead_letter_ids(backend.gateway, space, organization, _before(before, space.partition), limit)
            for space in spaces[first : first + _READS_AT_ONCE]
        ]
        for found in await asyncio.gather(*reads):
            positions += map(_position, found)
    return sorted(positions, reverse=True)[:limit]


async def _letters(backend: Backend, positions: list[Position]) -> list[DeadLetter | None]:
    reads = [
        find_dead_letter(backend.gateway, keyspace(partition), f"{ms}-{sequence}")
        for ms, sequence, partition in positions
    ]
    return await asyncio.gather(*reads)


def _position(dead_letter_id: str) -> Position:
    match = _ID.fullmatch(dead_letter_id)
    if match is None:
        raise ProblemError(400, "no such page", [FieldError("/before", "not the id of a dead letter")])
    return int(match[2]), int(match[3]), int(match[1])


def _before(before: Position | None, partition: int) -> str:
    """The exclusive bound of a partition's ids; of equal ids, that of the greater partition comes first."""
    if before is None:
        return "+"
    ms, sequence, of = before
    return f"{ms}-{sequence}" if partition >= of else f"{ms}-{sequence + 1}"


def _item(dead_letter: DeadLetter, *, with_event: bool) -> DeadLetterItem:
    fields = parse_object(trim(dead_letter.event)) if len(dead_letter.event) <= 1 << 20 else {}
    event_id = None if isinstance(fields, Rejection) else fields.get("id")
    item = DeadLetterItem(
        dead_letter.id,
        dead_letter.at,
        dead_letter.reason,
        dead_letter.detail,
        dead_letter.type or None,
        dead_letter.workflow or None,
        event_id if type(event_id) is str and event_id.isprintable() else None,
    )
    if with_event:
        item.event = dead_letter.event[:MAX_EVENT_BYTES].decode(errors="replace")
        if len(dead_letter.event) > MAX_EVENT_BYTES:
            item.truncated = True
    return item
