"""The read path: what an answer needs of one workflow, all of it as of one revision.

A reader names *parts* of buckets. It says which revision of the workflow it knows; what has not changed since is not sent again.
A reading takes two round trips:

    read.lua    records, what has changed, counts      as of revision r
    MGET        the sketches of these parts            as of r too, if after that ...
    HMGET       ... the workflow's revision            is still r; else a commit came in between: read again

See `scripts/read.lua` for the first of them and `sidedata.service.report.workflow_cache` for what a reader keeps.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.events.decode import Kind
from sidedata.redis.client import Client, translated
from sidedata.redis.multiplex import Refused, Single
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.schema.installation import Installation

_READ = script("read", reaches=True, asked_often=True)

FieldName = Literal["visitors", "sessions", "counts", "goals"]


class BucketField(NamedTuple):
    """One thing stored of a bucket: a sketch, its counts, or (`goals`) its counts with the sketches of every goal in them."""

    level: Level
    start: int
    name: FieldName


class Goals(NamedTuple):
    """A bucket's counts, and the sketches of visitors and sessions by `<role>:<goal>`."""

    counts: dict[str, int]
    sketches: dict[str, tuple[bytes | None, bytes | None]]


Data = bytes | dict[str, int] | Goals | None


class Reading(Struct):
    """What Redis said."""

    timezone: str  # of the organization
    kind: Kind | None  # None: there is no such workflow
    revision: int  # of the workflow; 0: no events yet
    fence: int  # of the owner that committed it
    changes_from: int  # the log of changes is complete from this revision on
    names: int  # revision of the organization's names of goals
    changed: set[tuple[Level, int]]  # buckets changed since the known revision: level and start
    data: dict[BucketField, Data]
    goals: dict[str, str]  # names by goal


class Newest(NamedTuple):
    """The part of a reading that says whether anything is new."""

    timezone: str
    kind: Kind | None
    revision: int
    names: int


async def newest(client: Client, installation: Installation, organization_id: str, workflow_id: str) -> Newest:
    """What to compare with an earlier reading: if it is the same, so is all the rest.

    Two commands, not one script, because polls ask this nearly always and it costs Redis a sixth. Not of one instant: but who finds
    both records as they were knows that the first was so when the second, which comes later, had not changed yet.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    partition = installation.partition_of(organization_id)
    of_workflow = (keys.workflow(partition, organization_id, workflow_id), "kind", "revision")
    of_organization = (keys.organization(partition, organization_id), "timezone", "names")
    with translated():
        replies: list[list[bytes | None]] | None = None
        if isinstance(client, Single) and client.line is not None:
            with contextlib.suppress(Refused):
                replies = await client.line.ask_all(("HMGET", *of_workflow), ("HMGET", *of_organization))
        if replies is None:
            pipeline = client.pipeline(transaction=False)
            for key, *fields in (of_workflow, of_organization):
                pipeline.hmget(key, fields)
            replies = await pipeline.execute()
    (kind, revision), (timezone, names) = replies
    return Newest(
        (timezone or b"UTC").decode(),
        kind.decode() if kind else None,  # type: ignore[arg-type] # Redis holds no other
        int(revision or 0),
        int(names or 0),
    )


async def read(
    client: Client,
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
    """Read parts of a workflow's buckets, of many only the first.

    Args:
        revision: what the reader knows already, with `names` likewise; None for nothing.
        missing: parts to read in any case.
        open_fields: parts that the reader has, to be read again if their buckets may have changed since.
        goals: goals whose names the reader knows, to be read again if any name has changed since.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    partition = installation.partition_of(organization_id)
    buckets = {
        part: keys.bucket(partition, organization_id, workflow_id, part.level, part.start)
        for part in (*missing, *open_fields)
    }
    record = keys.workflow(partition, organization_id, workflow_id)
    records = (
        record,
        keys.organization(partition, organization_id),
        keys.changes(partition, organization_id, workflow_id),
    )
    goals = list(goals)
    arguments: list[str | int] = [
        "" if revision is None else revision,
        "" if names is None else names,
        keys.goal(partition, organization_id, ""),
        *(len(missing), len(open_fields), len(goals)),
        *(word for part in missing for word in (part.name, buckets[part])),
        *(word for part in open_fields for word in (part.name, buckets[part], f"{part.level}:{part.start}")),
        *goals,
    ]
    with translated():
        while True:
            reply = await _READ(client, records, arguments)
            timezone, kind, newest, fence, since, names_revision, changes, counts, names_of = reply
            changed = {_changed(name.decode()) for name in changes}
            precise = changed and revision is not None and int(since) <= revision
            may_differ = [part for part in open_fields if not precise or (part.level, part.start) in changed]
            # Replies are fewer where nothing has changed (the open ones stay as they are) and where all were too many.
            found = [(part, _counts(flat or ())) for part, flat in zip((*missing, *may_differ), counts, strict=False)]
            wanted = [f"{buckets[part]}{name}" for part, of_part in found for name in _sketches_of(part, of_part)]
            sketches, newest_after = await _sketches(client, wanted, record) if wanted else ([], newest)
            if newest_after == newest:
                break  # else a commit came in between
    left = iter(sketches)
    return Reading(
        (timezone or b"UTC").decode(),
        kind.decode() if kind else None,
        int(newest),
        int(fence),
        int(since),
        int(names_revision),
        changed,
        {part: _data(part, of_part, left) for part, of_part in found},
        {goal.decode(): _name(value) for goal, value in _pairs(names_of)},
    )


async def _sketches(client: Client, names: Sequence[str], record: str) -> tuple[list[bytes | None], bytes]:
    """Sketches, and the workflow's revision after they were read."""
    if isinstance(client, Single) and client.line is not None:
        with contextlib.suppress(Refused):
            sketches, (revision,) = await client.line.ask_all(("MGET", *names), ("HMGET", record, "revision"))
            return sketches, revision or b"0"
    return await client.execute_command("MGET", *names), await client.execute_command(
        "HGET", record, "revision"
    ) or b"0"


def _changed(name: str) -> tuple[Any, int]:
    level, _, start = name.partition(":")
    return level, int(start)


def _name(record: bytes | None) -> str:
    """The name in a record `<µs> <name>`; one that has expired leaves the goal without a name."""
    return record.decode().partition(" ")[2] if record else ""


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _counts(flat: Sequence[bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in _pairs(flat)}


def _goals(counts: Iterable[str]) -> Iterator[str]:
    """The fields that count a goal, each `<role>:<goal>`."""
    return (field for field in counts if field.startswith(("triggered:", "affected:")))


def _sketches_of(part: BucketField, counts: Iterable[str]) -> Iterable[str]:
    """The names of the part's sketches in its bucket."""
    if part.name == "goals":
        return [f"{field}:{role}" for field in _goals(counts) for role in ("visitors", "sessions")]
    return () if part.name == "counts" else (part.name,)


def _data(part: BucketField, counts: dict[str, int], sketches: Iterator[bytes | None]) -> Data:
    """A part of its counts and the next of the sketches."""
    if part.name == "goals":
        return Goals(counts, {field: (next(sketches), next(sketches)) for field in _goals(counts)})
    return counts if part.name == "counts" else next(sketches)
