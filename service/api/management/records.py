"""The records of organizations and workflows, for tokens with the scope `admin`: registered, renamed and read back."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from sidedata.calendar.reporting import stored_rules
from sidedata.calendar.zones import zone
from sidedata.errors import CommandRefusedError, FixedError, UsageError
from sidedata.events.decode import Kind
from sidedata.events.lenient import BOM, parse_object, trim
from sidedata.events.rejection import Rejection
from sidedata.events.timestamps import from_microseconds
from sidedata.reads.records import has_workflows, read_organization, read_workflow
from sidedata.schema.records import (
    DEFAULT_ZONE,
    KINDS,
    MAX_NAME_CHARACTERS,
    OrganizationRecord,
    WorkflowRecord,
    is_valid_name,
)
from sidedata.service.api.management.paging import refuse_parameters
from sidedata.service.http.auth import ORGANIZATION, WORKFLOW
from sidedata.service.http.bodies import content_type, plain_body
from sidedata.service.http.problems import FieldError, ProblemError, missing_right, pointer_token
from sidedata.service.http.state import BACKEND, redis_timeout
from sidedata.writes.records import name_organization, set_organization, set_workflow

MAX_BODY_BYTES = 64 * 1024

Name = Annotated[str | UnsetType | None, Meta(description="for people, up to 200 characters; null takes it away")]


class OrganizationItem(Struct):
    """An organization; `zone_rules` is the release of the zone data that its days are cut by, null or `unknown` if not known."""

    id: str
    name: str | None
    time_zone: str
    has_events: bool
    zone_rules: str | None


class WorkflowRecordItem(Struct):
    """A workflow; `last_event_at` is its newest event's own time in UTC, null before the first."""

    id: str
    kind: Kind
    name: str | None
    last_event_at: str | None


class OrganizationBody(Struct, forbid_unknown_fields=True):
    """The fields of an organization that can be put; absent ones stay as they are."""

    name: Name = UNSET
    time_zone: Annotated[str | UnsetType, Meta(description="an IANA name; fixed once there are events")] = UNSET


class WorkflowBody(Struct, forbid_unknown_fields=True):
    """The fields of a workflow that can be put; `kind` is required until it is fixed."""

    kind: Kind | UnsetType = UNSET
    name: Name = UNSET


async def get_organization(request: web.Request) -> web.Response:
    """The record of an organization."""
    refuse_parameters(request)
    return _answer(await _organization(request))


async def put_organization(request: web.Request) -> web.Response:
    """Register an organization, or change its name or its zone."""
    fields = await _fields(request, ("name", "time_zone"))
    name = _name(fields)
    time_zone = fields.get("time_zone", UNSET)
    if time_zone is not UNSET:
        if not isinstance(time_zone, str):
            raise _wrong("time_zone", "must be a string, an IANA name such as Europe/Helsinki")
        try:
            zone(time_zone)
        except (UsageError, ValueError):
            raise _wrong("time_zone", "no such time zone: an IANA name such as Europe/Helsinki is needed") from None
    backend = request.app[BACKEND]
    target = (backend.gateway, backend.installation, request[ORGANIZATION])
    async with redis_timeout(request):
        try:
            if isinstance(time_zone, str):
                await set_organization(*target, time_zone)
            await name_organization(*target, None if name is UNSET else name, named=name is not UNSET)
        except FixedError as error:
            raise ProblemError(409, "the organization has events in another time zone, which is fixed") from error
        except CommandRefusedError as error:
            raise missing_right("write records", error) from error
    return _answer(await _organization(request))


async def get_workflow(request: web.Request) -> web.Response:
    """The record of a workflow."""
    refuse_parameters(request)
    return _answer(await _workflow(request))


async def put_workflow(request: web.Request) -> web.Response:
    """Register a workflow, or rename it."""
    fields = await _fields(request, ("kind", "name"))
    name = _name(fields)
    kind = fields.get("kind", UNSET)
    if kind is not UNSET and kind not in KINDS:
        raise _wrong("kind", "must be page_navigation or interaction")
    backend = request.app[BACKEND]
    async with redis_timeout(request):
        try:
            await set_workflow(
                backend.gateway,
                backend.installation,
                request[ORGANIZATION],
                request[WORKFLOW],
                kind if isinstance(kind, str) else None,
                None if name is UNSET else name or "",
            )
        except FixedError as error:
            raise ProblemError(409, "the workflow is of another kind, and a kind is fixed") from error
        except UsageError as error:
            raise _wrong("kind", "missing: page_navigation or interaction, until it is fixed") from error
        except CommandRefusedError as error:
            raise missing_right("write records", error) from error
    return _answer(await _workflow(request))


async def _organization(request: web.Request) -> OrganizationItem:
    backend, organization = request.app[BACKEND], request[ORGANIZATION]
    async with redis_timeout(request):
        keyspace = backend.installation.keyspace_of(organization)
        record = await read_organization(backend.gateway, keyspace, organization)
        if record is None and await has_workflows(backend.gateway, keyspace, organization):
            record = OrganizationRecord(id=organization, timezone=DEFAULT_ZONE, has_events=False)
    if record is None:
        raise ProblemError(404, "nothing is stored of this organization")
    return organization_item(record)


def organization_item(record: OrganizationRecord) -> OrganizationItem:
    """An organization as answers show it."""
    rules = stored_rules(record.timezone, record.zone_rules)
    release = None if rules is None else rules.release
    return OrganizationItem(record.id, record.name, record.timezone, record.has_events, release)


async def _workflow(request: web.Request) -> WorkflowRecordItem:
    backend, organization = request.app[BACKEND], request[ORGANIZATION]
    async with redis_timeout(request):
        keyspace = backend.installation.keyspace_of(organization)
        record: WorkflowRecord | None = await read_workflow(backend.gateway, keyspace, organization, request[WORKFLOW])
    if record is None:
        raise ProblemError(404, "no such workflow in this organization")
    newest = None if record.last_event_us is None else from_microseconds(record.last_event_us)
    return WorkflowRecordItem(record.id, record.kind, record.name or None, newest)


async def _fields(request: web.Request, known: tuple[str, ...]) -> dict[str, object]:
    """The fields of the body, a JSON object with no others than the known ones."""
    content_type(request, ("application/json",))
    body = (await plain_body(request, MAX_BODY_BYTES)).removeprefix(BOM)
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
    except (ValueError, RecursionError):
        raise _unreadable(body) from None
    unknown = [FieldError(f"/{pointer_token(name)}", "no such field") for name in fields if name not in known]
    if unknown:
        raise ProblemError(400, f"only {' and '.join(known)} can be put", unknown)
    return fields


def _unreadable(body: bytes) -> ProblemError:
    """The refusal of a body that the decoder can't read, in a client's words."""
    fields = parse_object(trim(body))
    if isinstance(fields, Rejection):
        return ProblemError(400, f"the body is not a JSON object: {fields.detail}")
    return ProblemError(400, "the body holds half of a surrogate pair, which is no text")


def _name(fields: dict[str, object]) -> str | UnsetType | None:
    name = fields.get("name", UNSET)
    if name is None or name is UNSET:
        return None if name is None else UNSET
    if not isinstance(name, str) or not is_valid_name(name):
        raise _wrong("name", f"must be text of at most {MAX_NAME_CHARACTERS} characters")
    return name


def _wrong(field: str, detail: str) -> ProblemError:
    return ProblemError(400, f"the field {field} is missing or wrong", [FieldError(f"/{field}", detail)])


def _answer(item: Struct) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(item), content_type="application/json", headers={"Cache-Control": "no-store"}
    )
