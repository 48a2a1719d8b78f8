"""The list of an organization's workflows."""

from typing import Final, NamedTuple, cast

from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import array, optional_text, scores
from sidedata.schema.installation import Installation
from sidedata.schema.records import DEFAULT_ZONE

_CHUNK: Final = 500  # records to one batch; more would make Redis hold megabytes of replies


class WorkflowEntry(NamedTuple):
    """A workflow; `last_event_us` is its newest event's time in microseconds since the epoch, None before the first."""

    id: str
    kind: Kind
    name: str | None
    last_event_us: int | None


class WorkflowList(NamedTuple):
    """An organization's reporting time zone and its workflows, newest event first, ties by id."""

    timezone: str
    workflows: list[WorkflowEntry]


async def list_workflows(gateway: Gateway, installation: Installation, organization: str) -> WorkflowList:
    """Read all workflows of an organization; an unknown organization has none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    keyspace = installation.keyspace_of(organization)
    timezone, listed = await gateway.batch(
        [
            ("HGET", keyspace.organization(organization), "timezone"),
            ("ZREVRANGE", keyspace.workflows(organization), 0, -1, "WITHSCORES"),
        ]
    )
    # Redis breaks ties the other way round.
    newest = sorted((-int(score), workflow.decode()) for workflow, score in scores(listed))
    workflows: list[WorkflowEntry] = []
    for first in range(0, len(newest), _CHUNK):
        chunk = newest[first : first + _CHUNK]
        records = await gateway.batch(
            [("HMGET", keyspace.workflow(organization, workflow), "kind", "name") for _, workflow in chunk]
        )
        for (score, workflow), record in zip(chunk, records, strict=True):
            kind, name = map(optional_text, array(record))
            if kind is not None:  # else it was purged a moment ago
                workflows.append(WorkflowEntry(workflow, cast("Kind", kind), name or None, -score or None))
    return WorkflowList(optional_text(timezone) or DEFAULT_ZONE, workflows)
