"""Writes of records from outside of the event stream: an organization's time zone, a workflow's kind and name."""

import asyncio
import time
from typing import Final

from sidedata.calendar.reporting import newest_rules, process_sources
from sidedata.calendar.zones import zone
from sidedata.errors import StopError, UsageError
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import strings
from sidedata.redis.scripts import script
from sidedata.schema.installation import Installation
from sidedata.schema.records import MAX_NAME_CHARACTERS, is_valid_name, parse_kind, parse_uuid

_SET_ORGANIZATION: Final = script("set_organization")
_SET_WORKFLOW: Final = script("set_workflow")


async def set_organization(gateway: Gateway, installation: Installation, organization_id: str, timezone: str) -> None:
    """Register an organization's reporting time zone, an IANA name.

    Raises:
        UsageError: no UUID, or no such zone.
        StopError: the organization has events in another zone.
        StoreUnavailableError: Redis is out of reach.
    """
    organization = parse_uuid(organization_id)
    name = zone(timezone).name
    data = await asyncio.to_thread(process_sources().data, time.time())
    rules = newest_rules(data, name, int(time.time()))
    keyspace = installation.keyspace_of(organization)
    status, *details = strings(
        await gateway.call(
            _SET_ORGANIZATION, [keyspace.organization(organization), keyspace.cursor], [name, rules.encode()]
        )
    )
    if status != b"ok":
        raise StopError(
            f"organization {organization} has events, its zone {details[0].decode()} is fixed; "
            "`sidedata purge` frees it"
        )


async def set_workflow(
    gateway: Gateway,
    installation: Installation,
    organization_id: str,
    workflow_id: str,
    kind: str,
    name: str | None = None,
) -> None:
    """Register a workflow's kind and name; without a name, a registered one stays.

    Raises:
        UsageError: no UUID, no such kind, or too long a name.
        StopError: the workflow is of another kind.
        StoreUnavailableError: Redis is out of reach.
    """
    organization, workflow = parse_uuid(organization_id), parse_uuid(workflow_id)
    valid_kind = parse_kind(kind)
    if name is not None and not is_valid_name(name):
        raise UsageError(f"a workflow's name is text of at most {MAX_NAME_CHARACTERS} characters")
    keyspace = installation.keyspace_of(organization)
    status, *details = strings(
        await gateway.call(
            _SET_WORKFLOW,
            [keyspace.workflow(organization, workflow), keyspace.workflows(organization), keyspace.cursor],
            [workflow, valid_kind, "unnamed" if name is None else "named", name or ""],
        )
    )
    if status != b"ok":
        raise StopError(
            f"workflow {workflow} is of kind {details[0].decode()}, and a kind is fixed; `sidedata purge` frees it"
        )
