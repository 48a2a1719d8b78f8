"""The read path: all that an answer needs of one workflow, as of one revision.

A reader names fields of buckets and the revision of the workflow that it knows; unchanged fields are not sent again.
A reading takes two round trips:

    read.lua    records, the log of changes, counts    as of revision r
    MGET        the sketches of these fields           as of r too, if after that ...
    HGET        ... the workflow's revision            is still r; else a commit came in between: read again

See `scripts/read/read.lua` for the first of them and `service/report/workflow_cache.py` for the reader's cache.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import (
    Word,
    array,
    integer,
    integer_mapping,
    integer_or_zero,
    optional_strings,
    optional_text,
    strings,
    text,
)
from sidedata.redis.scripts import script
from sidedata.schema import counts
from sidedata.schema.bucket_fields import BucketField, Data, Goals
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.schema.values import ChangedBucket, GoalName, ShadowDays, kind_of

_READ = script("read", undeclared_keys=True, read_only=True)


class Reading(Struct):
    """One reading's reply, decoded."""

    timezone: str  # of the organization
    rules: str | None  # the table of its offsets
    kind: Kind | None  # None: there is no such workflow
    revision: int  # of the workflow; 0: no events yet
    fence: int  # of the owner that committed it
    changes_from: int  # the log of changes is complete from this revision on
    names: int  # revision of the organization's names of goals
    changed: set[tuple[Level, int]]  # buckets changed since the known revision: level and start
    data: dict[BucketField, Data]
    goals: dict[str, str]  # names by goal


class WorkflowVersion(NamedTuple):
    """The part of a reading that tells if anything is new. New rules of the zone come with a new revision of names."""

    timezone: str
    kind: Kind | None
    revision: int
    names: int


async def newest(
    gateway: Gateway, installation: Installation, organization_id: str, workflow_id: str
) -> WorkflowVersion:
    """Read the part of a reading that an earlier one is compared with: if it is equal, so is all the rest.

    Two commands, not one script, because polls ask this nearly always and it costs Redis a sixth. The two reads are not atomic and
    need not be: if both records are unchanged, the first was unchanged when the second was read.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    names = installation.keyspace_of(organization_id)
    of_workflow, of_organization = await gateway.poll(
        ("HMGET", names.workflow(organization_id, workflow_id), "kind", "revision"),
        ("HMGET", names.organization(organization_id), "timezone", "names"),
    )
    kind, revision = array(of_workflow)
    timezone, names_revision = array(of_organization)
    return WorkflowVersion(
        optional_text(timezone) or DEFAULT_ZONE,
        kind_of(optional_text(kind)),
        integer_or_zero(revision),
        integer_or_zero(names_revision),
    )


async def read(
    gateway: Gateway,
    installation: Installation,
    organization_id: str,
    workflow_id: str,
    *,
    revision: int | None,
    names: int | None,
    missing: Sequence[BucketField],
    open_fields: Sequence[BucketField],
    goals: Iterable[str],
) -> Reading:
    """Read fields of a workflow's buckets; of many fields only the first.

    Args:
        revision: the reader's known revision, `names` likewise; None for a reader that knows nothing.
        missing: fields to read in any case.
        open_fields: fields in the reader's cache, to be read again if their buckets may have changed since.
        goals: goals whose names the reader knows, to be read again if any name has changed since.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    keyspace = installation.keyspace_of(organization_id)
    record = keyspace.workflow(organization_id, workflow_id)
    records = (record, keyspace.organization(organization_id), keyspace.changes(organization_id, workflow_id))
    goals = list(goals)
    recut = ""
    while True:
        buckets = _buckets(keyspace, organization_id, workflow_id, (*missing, *open_fields), recut)
        arguments: list[Word] = [
            "" if revision is None else revision,
            "" if names is None else names,
            keyspace.goal(organization_id, ""),
            *(len(missing), len(open_fields), len(goals)),
            *(word for field in missing for word in (field.name, buckets[field])),
            *(
                word
                for field in open_fields
                for word in (field.name, buckets[field], ChangedBucket(field.level, field.start).encode())
            ),
            *goals,
            recut,
        ]
        reply = array(await gateway.call(_READ, records, arguments))
        if len(reply) == 1:
            recut = text(reply[0])
            continue
        timezone, rules, kind, newest_revision, fence, changes_from, names_revision, log, data, goal_names = reply
        changed: set[tuple[Level, int]] = {ChangedBucket.decode(name.decode()) for name in strings(log)}
        # The log names the changed buckets only if it reaches back to the known revision.
        is_complete = changed and revision is not None and integer(changes_from) <= revision
        may_differ = [field for field in open_fields if not is_complete or (field.level, field.start) in changed]
        # Replies are fewer where nothing has changed (the open ones stay as they are) and where all were too many.
        # The script sends nil for a sketch.
        counts_by_field = [
            (field, integer_mapping(flat)) for field, flat in zip((*missing, *may_differ), array(data), strict=False)
        ]
        sketch_keys = [
            f"{buckets[field]}{name}" for field, fields in counts_by_field for name in _sketches_of(field, fields)
        ]
        sketches: list[bytes | None] = []
        if sketch_keys:
            values, revision_after = await gateway.poll(("MGET", *sketch_keys), ("HGET", record, "revision"))
            if integer_or_zero(revision_after) != integer(newest_revision):
                continue  # a commit came in between
            sketches = optional_strings(values)
        break
    remaining = iter(sketches)
    named = optional_strings(goal_names)
    return Reading(
        optional_text(timezone) or DEFAULT_ZONE,
        optional_text(rules),
        kind_of(optional_text(kind)),
        integer(newest_revision),
        integer(fence),
        integer(changes_from),
        integer(names_revision),
        changed,
        {field: _data(field, fields, remaining) for field, fields in counts_by_field},
        {goal.decode(): _name(value) for goal, value in zip(named[::2], named[1::2], strict=True) if goal is not None},
    )


def _buckets(
    keyspace: Keyspace, organization: str, workflow: str, fields: Iterable[BucketField], recut: str
) -> dict[BucketField, str]:
    """The common beginnings of the keys of fields' buckets; days that are being cut again have theirs in a shadow."""
    if not recut:
        return {field: keyspace.bucket(organization, workflow, field.level, field.start) for field in fields}
    days = ShadowDays.decode(recut)
    shadow = Keyspace(keyspace.partition, days.run)
    return {
        field: (shadow if field.level == "day" and field.start in days.starts else keyspace).bucket(
            organization, workflow, field.level, field.start
        )
        for field in fields
    }


def _name(record: bytes | None) -> str:
    """The name in a record `<µs> <name>`; an expired record leaves the goal without a name."""
    return GoalName.decode(record).name if record else ""


def _sketches_of(field: BucketField, fields: Iterable[str]) -> Iterable[str]:
    """The names of the field's sketches in its bucket."""
    if field.name == "goals":
        return [
            counts.goal_sketch(name, sketch) for name in counts.goal_fields(fields) for sketch in counts.GOAL_SKETCHES
        ]
    return () if field.name == "counts" else (field.name,)


def _data(field: BucketField, fields: dict[str, int], sketches: Iterator[bytes | None]) -> Data:
    """A field's data: its counts and the next of the sketches."""
    if field.name == "goals":
        return Goals(fields, {name: (next(sketches), next(sketches)) for name in counts.goal_fields(fields)})
    return fields if field.name == "counts" else next(sketches)
