"""Reads of records: an installation's configuration, an organization, a workflow. Ids are 36 lowercase characters."""

from typing import cast

from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import array, integer, mapping, optional_string, optional_strings, optional_text
from sidedata.schema.installation import Configuration
from sidedata.schema.keys import CONFIG, Keyspace
from sidedata.schema.records import DEFAULT_ZONE, OrganizationRecord, WorkflowRecord


async def read_configuration(gateway: Gateway) -> Configuration:
    """Read the configuration of the installation in this Redis; all fields are None where there is none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    stored = mapping(await gateway.command("HGETALL", CONFIG))
    partitions, schema, secret = stored.get(b"partitions"), stored.get(b"schema"), stored.get(b"secret")
    return Configuration(
        None if partitions is None else int(partitions),
        None if schema is None else int(schema),
        None if secret is None else secret.decode(),
    )


async def read_organization(gateway: Gateway, keyspace: Keyspace, organization: str) -> OrganizationRecord | None:
    """Read an organization's record; None where nothing is stored, which means UTC and no events.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    key = keyspace.organization(organization)
    timezone, has_events, rules = optional_strings(
        await gateway.command("HMGET", key, "timezone", "has_events", "rules")
    )
    if timezone is None and has_events is None:
        return None
    return OrganizationRecord(
        id=organization,
        timezone=timezone.decode() if timezone else DEFAULT_ZONE,
        has_events=has_events == b"1",
        zone_rules=None if rules is None else rules.decode(),
    )


async def read_workflow(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str
) -> WorkflowRecord | None:
    """Read a workflow's record; None if the organization has no such workflow.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    record, newest = await gateway.batch(
        [
            ("HMGET", keyspace.workflow(organization, workflow), "kind", "name"),
            ("ZSCORE", keyspace.workflows(organization), workflow),
        ]
    )
    kind, name = map(optional_text, array(record))
    if kind is None:
        return None
    newest_us = float(optional_string(newest) or 0)
    return WorkflowRecord(
        id=workflow,
        organization=organization,
        kind=cast("Kind", kind),  # Redis holds no other
        name=name or "",
        last_event_us=int(newest_us) if newest_us else None,
    )


async def read_partitions(gateway: Gateway) -> int | None:
    """Read the number of partitions, with the one command that a producer's account may send; None: no installation yet.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refused the command.
    """
    stored = await gateway.command("HGET", CONFIG, "partitions")
    return None if stored is None else integer(stored)
