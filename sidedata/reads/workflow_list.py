"""The list of an organization's workflows."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sidedata.batched import batched
from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Command, array, integer_or_zero, optional_string, optional_text, scores, strings
from sidedata.schema.installation import Installation
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.schema.values import kind_of

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


class WorkflowState(NamedTuple):
    """A workflow's record as far as answers depend on it, read in one go; `kind` is None where there is no such workflow."""

    id: str
    kind: Kind | None
    revision: int
    name: str | None
    last_event_us: int | None


class WorkflowStates(NamedTuple):
    """The states of some workflows, with the reporting time zone of their organization and the revision of its names of goals."""

    timezone: str
    rules: str | None  # the table of its offsets; None where the record holds none
    names: int
    workflows: tuple[WorkflowState, ...]


async def newest_ids(gateway: Gateway, installation: Installation, organization: str, most: int) -> list[str]:
    """List the first `most` ids of the list of workflows.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    key = installation.keyspace_of(organization).workflows(organization)
    [listed] = await gateway.poll(("ZREVRANGE", key, 0, most - 1, "WITHSCORES"))
    newest = [(int(score), workflow.decode()) for workflow, score in scores(listed)]
    if len(newest) < most:
        return [workflow for _, workflow in sorted(newest, key=_by_list)]
    # Redis breaks ties the other way round, so of the last score it may have returned others than the first.
    last = newest[-1][0]
    [tied] = await gateway.poll(("ZRANGEBYSCORE", key, last, last, "LIMIT", 0, most))
    before = sorted((entry for entry in newest if entry[0] > last), key=_by_list)
    return [*(workflow for _, workflow in before), *(workflow.decode() for workflow in strings(tied))][:most]


def _by_list(entry: tuple[int, str]) -> tuple[int, str]:
    return -entry[0], entry[1]


async def read_states(
    gateway: Gateway, installation: Installation, organization: str, workflows: Sequence[str]
) -> WorkflowStates:
    """Read the state of workflows, in their order.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: this user lacks a right.
    """
    keyspace = installation.keyspace_of(organization)
    commands: list[Command] = [("HMGET", keyspace.organization(organization), "timezone", "names", "rules")]
    if workflows:
        commands.append(("ZMSCORE", keyspace.workflows(organization), *workflows))
        commands += [
            ("HMGET", keyspace.workflow(organization, workflow), "kind", "revision", "name") for workflow in workflows
        ]
    replies = await gateway.poll(*commands)
    timezone, names, rules = array(replies[0])
    states = []
    for workflow, score, record in zip(workflows, array(replies[1]) if workflows else (), replies[2:], strict=True):
        kind, revision, name = array(record)
        newest = int(float(optional_string(score) or 0))
        states.append(
            WorkflowState(
                workflow,
                kind_of(optional_text(kind)),
                integer_or_zero(revision),
                optional_text(name) or None,
                newest or None,
            )
        )
    return WorkflowStates(
        optional_text(timezone) or DEFAULT_ZONE, optional_text(rules), integer_or_zero(names), tuple(states)
    )


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
    for chunk in batched(newest, _CHUNK):
        records = await gateway.batch(
            [("HMGET", keyspace.workflow(organization, workflow), "kind", "name") for _, workflow in chunk]
        )
        for (score, workflow), record in zip(chunk, records, strict=True):
            stored_kind, name = map(optional_text, array(record))
            if (kind := kind_of(stored_kind)) is not None:  # else it was purged a moment ago
                workflows.append(WorkflowEntry(workflow, kind, name or None, -score or None))
    return WorkflowList(optional_text(timezone) or DEFAULT_ZONE, workflows)
