"""The value of a key in words: a function for each kind of key.

No data of a visitor are shown: sketches hold none, ids are hashes, and of waiting events only number and age appear.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from sidedata.events.money import UNITS
from sidedata.inspect.keys.records import cursor, organization, workflow
from sidedata.inspect.keys.subject import Row, Subject, clock
from sidedata.plural import counted
from sidedata.reads.keys.values import (
    cardinality,
    field_names,
    length,
    read_hash,
    read_sketch,
    read_stream_summary,
    read_text,
    read_top_members,
)
from sidedata.reads.servers import read_time_ms
from sidedata.schema.counts import decode
from sidedata.schema.key_names import parse
from sidedata.schema.values import FINGERPRINT_BYTES, ChangedBucket, GoalName
from sidedata.schema.visitor_state import count_interactions

_MAX_LISTED: Final = 8  # members of a sorted set
_WORKERS: Final = 1_000


async def _sketch(subject: Subject) -> list[Row]:
    heading = "sessions" if subject.parsed.kind.endswith("sessions") else "visitors"
    sketch = await read_sketch(subject.gateway, subject.name)
    rows = [(heading, f"about {sketch.estimate:,} (±0.81 %)"), ("form", f"{sketch.form}, {sketch.size:,} bytes")]
    if subject.parsed.goal is not None:
        rows.append(("goal's name", await subject.goal_name(subject.parsed.goal)))
    return rows


async def _counts(subject: Subject) -> list[Row]:
    fields = await read_hash(subject.gateway, subject.name)
    counts = decode({name: int(value) for name, value in fields.items()})
    rows = [("started", f"{counts.started:,}")] if counts.started else []
    for role, goals in (("triggered", counts.triggered), ("affected", counts.affected)):
        rows += [
            (f"goal {role}", f"{counted(count, 'event')} of {await subject.goal_name(goal)}")
            for goal, count in goals.items()
        ]
    if counts.visitors:
        rows.append(("visitors", f"{counts.visitors:,}"))
    rows += [
        (f"hour {hour.index:02}{hour.offset}", f"{hour.visitors:,} visitors")
        for hour in sorted(counts.hours, key=lambda hour: (hour.index, hour.offset))
    ]
    return rows + [
        (f"purchases {currency}", f"{units // UNITS:,}.{units % UNITS:04}")
        for currency, units in counts.purchases.items()
    ]


async def _stream(subject: Subject) -> list[Row]:
    summary = await read_stream_summary(subject.gateway, subject.name)
    ends = (("oldest", summary.oldest), ("newest", summary.newest))
    return [
        ("entries", f"{summary.length:,}"),
        *(
            (heading, f"{entry}, arrived {subject.at(int(entry.partition('-')[0]) * 1000)}")
            for heading, entry in ends
            if entry is not None
        ),
    ]


async def _text(subject: Subject) -> list[Row]:
    heading = {"lease": "owner", "rate": "requests"}[subject.parsed.kind]
    return [(heading, await read_text(subject.gateway, subject.name))]


async def _goal(subject: Subject) -> list[Row]:
    goal = GoalName.decode(await read_text(subject.gateway, subject.name))
    return [("name", goal.name), ("newest event", subject.at(goal.at_us))]


async def _workflows(subject: Subject) -> list[Row]:
    newest = await read_top_members(subject.gateway, subject.name, _MAX_LISTED)
    rows = [("entries", f"{newest.cardinality:,}, the newest:")]
    return rows + [
        ("", f"{workflow}  {subject.at(at_us) if at_us else 'no event yet'}") for workflow, at_us in newest.members
    ]


async def _changes(subject: Subject) -> list[Row]:
    """Describe the newest changes; members are buckets, such as `hour:1795474800`."""
    newest = await read_top_members(subject.gateway, subject.name, _MAX_LISTED)
    rows = [("entries", f"{newest.cardinality:,}, the newest:")]
    for bucket, at_us in newest.members:
        changed = ChangedBucket.decode(bucket)
        rows.append((changed.level, f"{clock(subject.zone, changed.start)}, changed {subject.at(at_us)}"))
    return rows


async def _workers(subject: Subject) -> list[Row]:
    now_ms = await read_time_ms(subject.gateway)
    newest = await read_top_members(subject.gateway, subject.name, _WORKERS)
    return [("worker", f"{worker}, heartbeat {(now_ms - at_ms) / 1000:.1f} s ago") for worker, at_ms in newest.members]


async def _config(subject: Subject) -> list[Row]:
    notes = {"secret": " (a fingerprint, not the secret)"}
    fields = await read_hash(subject.gateway, subject.name)
    return [(name, value + notes.get(name, "")) for name, value in sorted(fields.items())]


async def _count(subject: Subject) -> list[Row]:
    count = await cardinality(subject.gateway, subject.name, subject.parsed.stored_type)
    return [("entries", f"{count:,}")]


async def _size(subject: Subject) -> list[Row]:
    return [("size", f"{await length(subject.gateway, subject.name):,} bytes")]


async def _fingerprints(subject: Subject) -> list[Row]:
    return [("ids", f"{await length(subject.gateway, subject.name) // FINGERPRINT_BYTES:,}")]


async def _visitor(subject: Subject) -> list[Row]:
    names = await field_names(subject.gateway, subject.name)
    interactions = count_interactions(names)
    return [
        ("interactions", f"with {counted(interactions, 'workflow')}"),
        ("goals", f"{counted(len(names) - interactions, 'waits', 'wait')} for late interactions"),
    ]


async def _shadow(subject: Subject) -> list[Row]:
    """Describe a shadow's key as the live key that it is built for."""
    live = parse(subject.parsed.stands_for)
    rows = [("stands for", subject.parsed.stands_for)]
    return rows + await VALUES[live.kind](replace(subject, parsed=live)) if live else rows


async def _swap(subject: Subject) -> list[Row]:
    return [("steps", f"{await cardinality(subject.gateway, subject.name, 'list'):,} are left")]


VALUES: Final[dict[str, Callable[[Subject], Awaitable[list[Row]]]]] = {
    "config": _config,
    "tokens": _count,
    "tokens used": _count,
    "workers": _workers,
    "rate": _text,
    "events": _stream,
    "dead": _stream,
    "dead index": _stream,
    "dead rewrite": _stream,
    "cursor": cursor,
    "lease": _text,
    "organization": organization,
    "organizations": _count,
    "workflows": _workflows,
    "workflow": workflow,
    "changes": _changes,
    "goal": _goal,
    "visitors": _sketch,
    "sessions": _sketch,
    "counts": _counts,
    "goal visitors": _sketch,
    "goal sessions": _sketch,
    "ids": _count,
    "id fingerprints": _fingerprints,
    "id filter": _size,
    "visitor": _visitor,
    "shadow": _shadow,
    "swap": _swap,
}
