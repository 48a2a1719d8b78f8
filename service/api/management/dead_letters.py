"""The dead letters of an organization, for its producers: newest first, page by page."""

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from sidedata.errors import CommandRefusedError
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import MAX_EVENT_BYTES
from sidedata.events.lenient import parse_object, trim
from sidedata.events.rejection import Rejection
from sidedata.service.api.management.dead_letter_pages import LetterPager, Position, position_of
from sidedata.service.api.management.paging import next_page, read_page
from sidedata.service.http.auth import ORGANIZATION, RECORD
from sidedata.service.http.problems import FieldError, ProblemError, missing_right
from sidedata.service.http.state import BACKEND, redis_timeout


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
    backend, organization = request.app[BACKEND], request[ORGANIZATION]
    pager = LetterPager(backend.gateway, backend.installation.partitions, organization, before, page.limit)
    async with redis_timeout(request):
        try:
            letter_page = await pager.read()
        except CommandRefusedError as error:
            raise missing_right("read dead letters", error) from error
    with_event = request[RECORD].allows("admin")
    items = [_item(letter, with_event=with_event) for letter in letter_page.letters]
    headers = {"Cache-Control": "no-store"}
    if letter_page.next_id is not None:
        headers["Link"] = next_page(request, page, letter_page.next_id)
    return web.Response(body=msgspec.json.encode(items), content_type="application/json", headers=headers)


def _position(dead_letter_id: str) -> Position:
    position = position_of(dead_letter_id)
    if position is None:
        raise ProblemError(400, "no such page", [FieldError("/before", "not the id of a dead letter")])
    return position


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
        event_id if type(event_id) is str and _is_text(event_id) else None,
    )
    if with_event:
        item.event = dead_letter.event[:MAX_EVENT_BYTES].decode(errors="replace")
        if len(dead_letter.event) > MAX_EVENT_BYTES:
            item.truncated = True
    return item


def _is_text(value: str) -> bool:
    """Tell if a string has a form in UTF-8: half of a surrogate pair has none."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
