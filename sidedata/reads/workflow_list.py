"""The list of an organization's workflows."""

from typing import Final, NamedTuple

from sidedata.events.decode import Kind
from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.schema.records import DEFAULT_ZONE

_CHUNK: Final = 500  # records in one pipeline; more would make Redis buffer megabytes of replies


class WorkflowEntry(NamedTuple):
    """A workflow; `last_event_us` is its newest event's time in microseconds since the epoch, None before the first."""

    id: str
    kind: Kind
    name: str | None
    last_event_us: int | None


async def list_workflows(
    client: Client, installation: Installation, organization_id: str
) -> tuple[str, list[WorkflowEntry]]:
    """The organization's reporting time zone, and its workflows, newest event first, ties by id.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    partition = installation.partition_of(organization_id)
    entries: list[WorkflowEntry] = []
    with translated():
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.hget(keys.organization(partition, organization_id), "timezone")
            pipeline.zrevrange(keys.workflows(partition, organization_id), 0, -1, withscores=True)
            zone, scored = await pipeline.execute()
        # Redis orders ties by id too, but descending.
        newest = sorted((-int(score), workflow.decode()) for workflow, score in scored)
        for first in range(0, len(newest), _CHUNK):
            chunk = newest[first : first + _CHUNK]
            async with client.pipeline(transaction=False) as pipeline:
                for _, workflow in chunk:
                    pipeline.hmget(keys.workflow(partition, organization_id, workflow), "kind", "name")
                records = await pipeline.execute()
            for (score, workflow), (kind, name) in zip(chunk, records, strict=True):
                if kind is not None:  # else it was purged a moment ago
                    entries.append(
                        WorkflowEntry(workflow, kind.decode(), name.decode() if name else None, -score or None)
                    )
    return zone.decode() if zone else DEFAULT_ZONE, entries
