"""What is registered of organizations and workflows: an organization's time zone, a workflow's kind and name.

Neither has to be registered: an organization without a record is in UTC, a workflow's first event makes its record.
What events have fixed (zone, kind) is not changed afterwards, because their buckets were cut and filled accordingly.
"""

from typing import Final, Literal, get_args

import msgspec

from sidedata.calendar.zones import zone
from sidedata.errors import StopError, UsageError
from sidedata.events.decode import canonical_uuid
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.schema.installation import Installation

Kind = Literal["page_navigation", "interaction"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DEFAULT_ZONE = "UTC"
MAX_NAME_CHARACTERS = 200

_SET_ORGANIZATION = script("set_organization")
_SET_WORKFLOW = script("set_workflow")


class OrganizationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An organization; once it has events its time zone is fixed."""

    id: str
    timezone: str
    has_events: bool


class WorkflowRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow; `last_event_us` is its newest event's time in microseconds since the epoch, None before the first."""

    id: str
    organization: str
    kind: str
    name: str
    last_event_us: int | None


def known_uuid(text: str) -> str:
    """The UUID in lower case.

    Raises:
        UsageError: it is none.
    """
    canonical = canonical_uuid(text)
    if canonical is None:
        raise UsageError(f"not a UUID of 36 characters: {text!r}")
    return canonical


def plain_name(text: str) -> bool:
    """Whether a name is not too long and can be stored: arguments of a command line may hold bytes that are no text."""
    return len(text) <= MAX_NAME_CHARACTERS and not any("\ud800" <= character <= "\udfff" for character in text)


async def set_organization(client: Client, installation: Installation, organization_id: str, timezone: str) -> None:
    """Register an organization's reporting time zone, an IANA name.

    Raises:
        UsageError: no UUID, or no such zone.
        StopError: the organization has events in another zone.
        StoreUnavailableError: Redis is out of reach.
    """
    organization = known_uuid(organization_id)
    name = zone(timezone).name
    partition = installation.partition_of(organization)
    with translated():
        reply: list[bytes] = await _SET_ORGANIZATION(
            client, [keys.organization(partition, organization), keys.cursor(partition)], [name]
        )
    if reply[0] != b"ok":
        raise StopError(
            f"organization {organization} has events, its zone {reply[1].decode()} is fixed; `sidedata purge` frees it"
        )


async def show_organization(
    client: Client, installation: Installation, organization_id: str
) -> OrganizationRecord | None:
    """An organization's record; None where nothing is stored, which means UTC and no events.

    Raises:
        UsageError: no UUID.
        StoreUnavailableError: Redis is out of reach.
    """
    organization = known_uuid(organization_id)
    key = keys.organization(installation.partition_of(organization), organization)
    with translated():
        timezone, has_events = await client.hmget(key, ["timezone", "has_events"])
    if timezone is None and has_events is None:
        return None
    return OrganizationRecord(
        id=organization, timezone=timezone.decode() if timezone else DEFAULT_ZONE, has_events=has_events == b"1"
    )


async def set_workflow(
    client: Client,
    installation: Installation,
    organization_id: str,
    workflow_id: str,
    kind: str,
    name: str | None = None,
) -> None:
    """Register a workflow's kind and name; no name leaves the one that it has.

    Raises:
        UsageError: no UUID, no such kind, or too long a name.
        StopError: the workflow is of another kind.
        StoreUnavailableError: Redis is out of reach.
    """
    organization, workflow = known_uuid(organization_id), known_uuid(workflow_id)
    if kind not in KINDS:
        raise UsageError(f"no such kind: {kind!r}; a workflow is one of {', '.join(KINDS)}")
    if name is not None and not plain_name(name):
        raise UsageError(f"a workflow's name is text of at most {MAX_NAME_CHARACTERS} characters")
    partition = installation.partition_of(organization)
    with translated():
        reply: list[bytes] = await _SET_WORKFLOW(
            client,
            [
                keys.workflow(partition, organization, workflow),
                keys.workflows(partition, organization),
                keys.cursor(partition),
            ],
            [workflow, kind, "unnamed" if name is None else "named", name or ""],
        )
    if reply[0] != b"ok":
        raise StopError(
            f"workflow {workflow} is of kind {reply[1].decode()}, and a kind is fixed; `sidedata purge` frees it"
        )


async def show_workflow(
    client: Client, installation: Installation, organization_id: str, workflow_id: str
) -> WorkflowRecord | None:
    """A workflow's record; None if the organization has no such workflow.

    Raises:
        UsageError: no UUID.
        StoreUnavailableError: Redis is out of reach.
    """
    organization, workflow = known_uuid(organization_id), known_uuid(workflow_id)
    partition = installation.partition_of(organization)
    with translated():
        kind, name = await client.hmget(keys.workflow(partition, organization, workflow), ["kind", "name"])
        newest: float | None = await client.zscore(keys.workflows(partition, organization), workflow)
    if kind is None:
        return None
    return WorkflowRecord(
        id=workflow,
        organization=organization,
        kind=kind.decode(),
        name=name.decode() if name else "",
        last_event_us=int(newest) if newest else None,
    )
