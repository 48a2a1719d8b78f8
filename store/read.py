"""The read path: what an answer needs of one workflow, in one round trip and of one instant.

A reader names *parts* of buckets. It says which revision of the workflow it knows; what has not changed since is not sent again.
See `scripts/read.lua` for the exchange and `service.view` for what a reader keeps.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from store import keys
from store.client import Client, translated
from store.events import Kind
from store.installation import Installation
from store.line import Refused, Single
from store.scripts import script

_READ = script("read", reaches=True, asked_often=True)

What = Literal["visitors", "sessions", "counts", "goals"]


class Part(NamedTuple):
    """One thing stored of a bucket: a sketch, its counts, or (`goals`) its counts with the sketches of every goal in them."""

    level: keys.Level
    start: int
    what: What


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
    changed: set[tuple[keys.Level, int]]  # buckets changed since the known revision: level and start
    data: dict[Part, Data]
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
    missing: Sequence[Part],
    open_parts: Sequence[Part],
    goals: Iterable[str],
) -> Reading:
    """Read parts of a workflow's buckets, of many only the first.

    Args:
        revision: what the reader knows already, with `names` likewise; None for nothing.
        missing: parts to read in any case.
        open_parts: parts that the reader has, to be read again if their buckets may have changed since.
        goals: goals whose names the reader knows, to be read again if any name has changed since.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    partition = installation.partition_of(organization_id)
    goals = list(goals)
    arguments: list[str | int] = [
        "" if revision is None else revision,
        "" if names is None else names,
        keys.goal(partition, organization_id, ""),
        len(missing),
        len(open_parts),
        len(goals),
    ]
    prefixes = {
        level: keys.buckets(partition, organization_id, workflow_id, level) for level in ("5min", "hour", "day")
    }
    for place, part in enumerate((*missing, *open_parts)):
        start = f"{prefixes[part.level]}{keys.instant(part.start)}:"
        if part.what == "goals":
            arguments += ("goals", start)
        else:
            arguments += ("hash" if part.what == "counts" else "get", start + part.what)
        if place >= len(missing):
            arguments.append(f"{part.level}:{part.start}")
    arguments += goals
    records = [
        keys.workflow(partition, organization_id, workflow_id),
        keys.organization(partition, organization_id),
        keys.changes(partition, organization_id, workflow_id),
    ]
    with translated():
        reply = await _READ(client, records, arguments)
    timezone, kind, newest, fence, changes_from, named, names_changed, data, names_of = reply
    changed = {_bucket(name.decode()) for name in names_changed}
    if changed and revision is not None and int(changes_from) <= revision:
        open_parts = [part for part in open_parts if (part.level, part.start) in changed]
    return Reading(
        (timezone or b"UTC").decode(),
        kind.decode() if kind else None,
        int(newest),
        int(fence),
        int(changes_from),
        int(named),
        changed,
        # Replies are fewer where nothing has changed (the open ones stay as they are) and where all were too many.
        {part: _data(part, value) for part, value in zip((*missing, *open_parts), data, strict=False)},
        {goal.decode(): _name(value) for goal, value in _pairs(names_of)},
    )


def _bucket(name: str) -> tuple[Any, int]:
    level, _, start = name.partition(":")
    return level, int(start)


def _name(record: bytes | None) -> str:
    """The name in a record `<µs> <name>`; one that has expired leaves the goal without a name."""
    return record.decode().partition(" ")[2] if record else ""


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _counts(flat: Sequence[bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in _pairs(flat)}


def _data(part: Part, value: Any) -> Data:  # noqa: ANN401 - as untyped as the client's replies
    if part.what == "counts":
        return _counts(value)
    if part.what == "goals":
        counts, sketches = value
        triples = zip(sketches[::3], sketches[1::3], sketches[2::3], strict=True)
        return Goals(_counts(counts), {name.decode(): (visitors, sessions) for name, visitors, sessions in triples})
    sketch: bytes | None = value
    return sketch
