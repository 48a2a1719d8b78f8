"""The rights of the token of a request, and the organizations that it may see."""

import msgspec
from aiohttp import web
from msgspec import Struct

from sidedata.errors import CommandRefusedError
from sidedata.events.decode import canonical_uuid
from sidedata.events.timestamps import from_microseconds
from sidedata.reads.records import organizations_after, read_organization
from sidedata.schema.records import DEFAULT_ZONE, OrganizationRecord
from sidedata.schema.tokens import EVERY_ORGANIZATION
from sidedata.service.api.management.paging import next_page, read_page, refuse_parameters
from sidedata.service.http.auth import RECORD
from sidedata.service.http.problems import FieldError, ProblemError, missing_right
from sidedata.service.http.state import BACKEND, redis_timeout


class TokenItem(Struct):
    """A token, without its text; `organization_id` is null for one of all organizations."""

    id: str
    organization_id: str | None
    scopes: list[str]
    expires_at: str | None


class SeenOrganization(Struct):
    """An organization that a token may see."""

    id: str
    name: str | None
    time_zone: str


async def get_token(request: web.Request) -> web.Response:
    """The token of this request."""
    refuse_parameters(request)
    record = request[RECORD]
    expires_at = None if record.expires_at is None else from_microseconds(round(record.expires_at * 1_000_000))
    return _answer(
        TokenItem(
            record.id,
            None if record.organization == EVERY_ORGANIZATION else record.organization,
            list(record.scopes),
            expires_at,
        )
    )


async def get_organizations(request: web.Request) -> web.Response:
    """The organizations that the token may see, by id."""
    page = read_page(request, "after")
    after = canonical_uuid(page.mark) if page.mark else ""
    if after is None:
        raise ProblemError(400, "no such page", [FieldError("/after", "not a UUID of 36 characters")])
    backend = request.app[BACKEND]
    gateway, installation = backend.gateway, backend.installation
    only = request[RECORD].organization
    async with redis_timeout(request):
        if only == EVERY_ORGANIZATION:
            try:
                records = await organizations_after(gateway, installation, after, page.limit + 1)
            except CommandRefusedError as error:
                raise missing_right("read the lists of organizations", error) from error
        elif only > after:
            record = await read_organization(gateway, installation.keyspace_of(only), only)
            records = [record or OrganizationRecord(id=only, timezone=DEFAULT_ZONE, has_events=False)]
        else:
            records = []
    items = [SeenOrganization(record.id, record.name, record.timezone) for record in records[: page.limit]]
    response = _answer(items)
    if len(records) > page.limit:
        response.headers["Link"] = next_page(request, page, items[-1].id)
    return response


def _answer(body: object) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Authorization"},
    )
