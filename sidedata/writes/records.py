"""Writes of records from outside of the event stream: an organization's time zone, a workflow's kind and name."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from sidedata.calendar.reporting import newest_rules, process_sources
from sidedata.calendar.zones import zone
from sidedata.errors import CommandRefusedError, FixedError, UsageError
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Command, strings
from sidedata.redis.scripts import script
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace, keyspace
from sidedata.schema.records import KINDS, MAX_NAME_CHARACTERS, is_valid_name, parse_kind, parse_uuid

_SET_ORGANIZATION: Final = script("set_organization")
_NAME_ORGANIZATION: Final = script("name_organization")
_SET_WORKFLOW: Final = script("set_workflow")


async def set_organization(gateway: Gateway, installation: Installation, organization_id: str, timezone: str) -> None:
    """Register an organization's reporting time zone, an IANA name.

    Raises:
        UsageError: no UUID, or no such zone.
        FixedError: the organization has events in another zone.
        StoreUnavailableError: Redis is out of reach.
    """
    organization = parse_uuid(organization_id)
    name = zone(timezone).name
    data = await asyncio.to_thread(process_sources().data, time.time())
    rules = newest_rules(data, name, int(time.time()))
    space = installation.keyspace_of(organization)
    status, *details = strings(
        await gateway.call(_SET_ORGANIZATION, [space.organization(organization), space.cursor], [name, rules.encode()])
    )
    if status != b"ok":
        raise FixedError(
            f"organization {organization} has events, its zone {details[0].decode()} is fixed; "
            "`sidedata purge` frees it"
        )
    await list_organizations(gateway, installation, [organization])


async def name_organization(
    gateway: Gateway, installation: Installation, organization_id: str, name: str | None, *, named: bool
) -> None:
    """Register an organization, and with `named` its name; None takes the name away.

    Raises:
        UsageError: no UUID, or too long a name.
        StoreUnavailableError: Redis is out of reach.
    """
    organization = parse_uuid(organization_id)
    if name is not None and not is_valid_name(name):
        raise UsageError(f"an organization's name is text of at most {MAX_NAME_CHARACTERS} characters")
    record = installation.keyspace_of(organization).organization(organization)
    await gateway.call(_NAME_ORGANIZATION, [record], ["named" if named else "unnamed", name or ""])
    await list_organizations(gateway, installation, [organization])


async def list_organizations(gateway: Gateway, installation: Installation, organizations: Sequence[str]) -> None:
    """Add organizations, in lower case, to the lists of their partitions.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    if organizations:
        await gateway.batch(
            [("ZADD", installation.keyspace_of(one).organizations, "NX", 0, one) for one in organizations]
        )


async def list_in_partition(gateway: Gateway, of_partition: Keyspace, organizations: Sequence[str]) -> None:
    """Add organizations of one partition, in lower case, to its list.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: the account may not write the list.
    """
    scored = [word for organization in organizations for word in (0, organization)]
    await gateway.command("ZADD", of_partition.organizations, "NX", *scored)


async def mark_listed(gateway: Gateway, partitions: Sequence[int]) -> None:
    """Record that the lists of these partitions name all of their organizations.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.batch([("HSET", keyspace(partition).cursor, "listed", "1") for partition in partitions])


async def set_workflow(
    gateway: Gateway,
    installation: Installation,
    organization_id: str,
    workflow_id: str,
    kind: str | None,
    name: str | None = None,
) -> None:
    """Register a workflow's kind and name; without a name, a registered one stays, and without a kind a fixed one.

    Raises:
        UsageError: no UUID, no such kind, too long a name, or no kind where none is fixed.
        FixedError: the workflow is of another kind.
        StoreUnavailableError: Redis is out of reach.
    """
    organization, workflow = parse_uuid(organization_id), parse_uuid(workflow_id)
    valid_kind = "" if kind is None else parse_kind(kind)
    if name is not None and not is_valid_name(name):
        raise UsageError(f"a workflow's name is text of at most {MAX_NAME_CHARACTERS} characters")
    space = installation.keyspace_of(organization)
    status, *details = strings(
        await gateway.call(
            _SET_WORKFLOW,
            [space.workflow(organization, workflow), space.workflows(organization), space.cursor],
            [workflow, valid_kind, "unnamed" if name is None else "named", name or ""],
        )
    )
    if status == b"unknown":
        raise UsageError(f"workflow {workflow} has no kind yet: give one of {', '.join(KINDS)}")
    await list_organizations(gateway, installation, [organization])
    if status != b"ok":
        raise FixedError(
            f"workflow {workflow} is of kind {details[0].decode()}, and a kind is fixed; `sidedata purge` frees it"
        )


async def missing_rights(gateway: Gateway) -> list[str]:
    """Name what an account may not do of what the management over HTTP needs; the attempts change nothing.

    Redis checks the right to a command before it finds the arguments wrong.

    Raises:
        StoreUnavailableError: Redis is out of reach, or can't take writes.
    """
    space, nil = keyspace(0), "00000000-0000-0000-0000-000000000000"
    attempts: list[tuple[str, Command]] = [
        ("read dead letters", ("XREVRANGE", space.dead_of(nil), "+", "-", "COUNT", 1)),
        ("read dead letters", ("XRANGE", space.dead, "+", "-", "COUNT", 1)),
        ("read the lists of organizations", ("ZRANGEBYLEX", space.organizations, "-", "+", "LIMIT", 0, 1)),
        ("write records", ("ZADD", space.organizations, "XX", 0, nil)),
        ("write records", ("ZADD", space.workflows(nil), "XX", 0, nil)),
        ("write records", ("HSET", space.organization(nil), "field", "", "field without value")),
        ("write records", ("HSET", space.workflow(nil, nil), "field", "", "field without value")),
        ("write records", ("HINCRBY", space.cursor, "records", "no number")),
    ]
    missing: dict[str, None] = {}
    for action, attempt in attempts:
        try:
            await gateway.command(*attempt)
        except CommandRefusedError as error:
            if error.code == "NOPERM":
                missing[action] = None
    return list(missing)
