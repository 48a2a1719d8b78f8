"""Reads of records: an installation's configuration, an organization, a workflow. Ids are 36 lowercase characters."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct

from sidedata.batched import batched
from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import (
    Reply,
    array,
    integer,
    optional_string,
    optional_strings,
    optional_text,
    scores,
    strings,
    text_mapping,
)
from sidedata.redis.scan import pages
from sidedata.schema.installation import Configuration, Installation
from sidedata.schema.key_names import parse
from sidedata.schema.keys import CONFIG, Keyspace, keyspace, pattern_of_kind
from sidedata.schema.records import DEFAULT_ZONE, OrganizationRecord, WorkflowRecord
from sidedata.schema.values import kind_of

_ORGANIZATION_FIELDS: Final = ("timezone", "has_events", "name", "rules")
_CHUNK: Final = 500  # records to one batch; more would make Redis hold megabytes of replies
_LISTED_AT_ONCE: Final = 1_000  # ids of organizations to one read


class OrganizationRecords(Struct):
    """An organization's record, the kinds of its workflows, and the newest event of each workflow with events, in microseconds."""

    fields: dict[str, str]
    kinds: dict[str, Kind]
    newest_us: dict[str, int]


async def read_configuration(gateway: Gateway) -> Configuration:
    """Read the configuration of the installation in this Redis; all fields are None where there is none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    stored = text_mapping(await gateway.command("HGETALL", CONFIG))
    partitions, schema = stored.get("partitions"), stored.get("schema")
    return Configuration(
        None if partitions is None else int(partitions),
        None if schema is None else int(schema),
        stored.get("secret"),
    )


async def read_organization(gateway: Gateway, keyspace: Keyspace, organization: str) -> OrganizationRecord | None:
    """Read an organization's record; None where nothing is stored, which means UTC and no events.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    key = keyspace.organization(organization)
    return _organization(organization, await gateway.command("HMGET", key, *_ORGANIZATION_FIELDS))


async def has_workflows(gateway: Gateway, keyspace: Keyspace, organization: str) -> bool:
    """Tell if an organization has workflows, registered ones included, with or without a record of its own.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return bool(array(await gateway.command("ZREVRANGE", keyspace.workflows(organization), 0, 0)))


def _organization(organization: str, fields: Reply) -> OrganizationRecord | None:
    timezone, has_events, name, rules = optional_strings(fields)
    if timezone is None and has_events is None:
        return None
    return OrganizationRecord(
        id=organization,
        timezone=timezone.decode() if timezone else DEFAULT_ZONE,
        has_events=has_events is not None,
        name=name.decode() if name else None,
        zone_rules=None if rules is None else rules.decode(),
    )


async def read_all_records(gateway: Gateway, keyspace: Keyspace, organization: str) -> OrganizationRecords:
    """Read the records of an organization and of its workflows, live ones or a shadow's.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    record, workflows = await gateway.batch(
        [
            ("HGETALL", keyspace.organization(organization)),
            ("ZRANGE", keyspace.workflows(organization), 0, -1, "WITHSCORES"),
        ]
    )
    newest_us = {workflow.decode(): int(score) for workflow, score in scores(workflows)}
    return OrganizationRecords(
        text_mapping(record),
        await read_kinds(gateway, keyspace, organization, list(newest_us)),
        {workflow: newest for workflow, newest in newest_us.items() if newest},
    )


async def organizations_after(
    gateway: Gateway, installation: Installation, after: str, most: int
) -> list[OrganizationRecord]:
    """Read at most `most` organizations of all partitions, by id, from the one after `after` ("" for the first).

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: the account may not read the lists.
    """
    first = f"({after}" if after else "-"
    ids: list[str] = []
    for partition in range(installation.partitions):
        names = await gateway.command("ZRANGEBYLEX", keyspace(partition).organizations, first, "+", "LIMIT", 0, most)
        ids += [name.decode() for name in strings(names)]
    return await read_organizations(gateway, installation, sorted(ids)[:most])


async def listed_organizations(gateway: Gateway, keyspace: Keyspace) -> AsyncIterator[list[str]]:
    """Read the list of the partition's organizations, a page of ids at a time; one that is listed meanwhile may be left out.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    first = 0
    while page := strings(await gateway.command("ZRANGE", keyspace.organizations, first, first + _LISTED_AT_ONCE - 1)):
        first += len(page)
        yield [name.decode() for name in page]


async def read_organizations(
    gateway: Gateway, installation: Installation, ids: Sequence[str]
) -> list[OrganizationRecord]:
    """Read the records of organizations, in that order; one without a record is in UTC and has no events.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    organizations: list[OrganizationRecord] = []
    for chunk in batched(ids, _CHUNK):
        keys = [installation.keyspace_of(one).organization(one) for one in chunk]
        records = await gateway.batch([("HMGET", key, *_ORGANIZATION_FIELDS) for key in keys])
        organizations += [
            _organization(one, record) or OrganizationRecord(id=one, timezone=DEFAULT_ZONE, has_events=False)
            for one, record in zip(chunk, records, strict=True)
        ]
    return organizations


async def unlisted_partitions(gateway: Gateway, installation: Installation) -> list[int]:
    """Find the partitions whose list of organizations may lack some that an older version stored.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    partitions = range(installation.partitions)
    marks = await gateway.batch([("HGET", keyspace(partition).cursor, "listed") for partition in partitions])
    return [partition for partition, mark in zip(partitions, marks, strict=True) if mark is None]


async def find_organizations(gateway: Gateway) -> AsyncIterator[list[str]]:
    """Scan all keys for organizations that have a record or workflows; yields some at a time, perhaps twice.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: the account may not scan.
    """
    for kind in ("organization", "workflows"):
        async for page in pages(gateway, pattern_of_kind(kind)):
            parts = [parse(key.decode(errors="replace")) for key in page]
            yield [
                part.organization
                for part in parts
                if part is not None and part.organization is not None and part.kind == kind
            ]


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
    stored_kind, name = map(optional_text, array(record))
    kind = kind_of(stored_kind)
    if kind is None:
        return None
    newest_us = float(optional_string(newest) or 0)
    return WorkflowRecord(
        id=workflow,
        organization=organization,
        kind=kind,
        name=name or "",
        last_event_us=int(newest_us) if newest_us else None,
    )


async def read_kinds(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflows: Sequence[str]
) -> dict[str, Kind]:
    """Read the kinds of workflows; those that have none are left out.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    kinds: dict[str, Kind] = {}
    for chunk in batched(workflows, _CHUNK):
        stored = await gateway.batch(
            [("HGET", keyspace.workflow(organization, workflow), "kind") for workflow in chunk]
        )
        kinds |= {
            workflow: kind
            for workflow, reply in zip(chunk, stored, strict=True)
            if (kind := kind_of(optional_text(reply))) is not None
        }
    return kinds


async def read_partition_count(gateway: Gateway) -> int | None:
    """Read the number of partitions, with the one command that a producer's account may send; None: no installation yet.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refused the command.
    """
    stored = await gateway.command("HGET", CONFIG, "partitions")
    return None if stored is None else integer(stored)
