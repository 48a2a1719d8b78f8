"""The value of a key in words: a function for each kind of key.

No data of a visitor are shown: sketches hold none, ids are hashes, and of waiting events only number and age appear.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidedata.calendar.zones import Zone
from sidedata.reads.keys.values import (
    cardinality,
    estimate,
    field_names,
    length,
    read_goal_name,
    read_hash,
    read_stream_summary,
    read_text,
    read_top_members,
)
from sidedata.reads.servers import read_time_ms
from sidedata.redis.gateway import Gateway
from sidedata.schema.counts import decode
from sidedata.schema.key_names import KeyName, parse
from sidedata.schema.keys import keyspace
from sidedata.schema.values import FINGERPRINT_BYTES, ChangedBucket, GoalName, id_positions
from sidedata.schema.visitor_state import count_interactions

_MAX_LISTED: Final = 8  # members of a sorted set
_WORKERS: Final = 1_000
_UNIT: Final = 10_000

Row = tuple[str, str]


class Subject(Struct, frozen=True):
    """The key to describe: its name, the parts of the name, and its organization's zone."""

    gateway: Gateway
    parsed: KeyName
    name: str
    zone: Zone

    async def goal_name(self, goal: str) -> str:
        """Read a goal's name; its id where no name is stored."""
        space = keyspace(self.parsed.partition or 0)
        return await read_goal_name(self.gateway, space, self.parsed.organization or "", goal) or goal

    def at(self, us: float) -> str:
        """Format a time, in microseconds since the epoch, by the organization's clock."""
        return clock(self.zone, int(us) // 1_000_000)


def clock(zone: Zone, second: int) -> str:
    """Format an instant, in seconds since the epoch, by a zone's clock."""
    moment = zone.moment(second)
    return f"{moment:%a} {moment.isoformat(' ')}"


async def _sketch(subject: Subject) -> list[Row]:
    heading = "sessions" if subject.parsed.kind.endswith("sessions") else "visitors"
    rows = [(heading, f"about {await estimate(subject.gateway, subject.name):,} (±0.81 %)")]
    if subject.parsed.goal is not None:
        rows.append(("goal's name", await subject.goal_name(subject.parsed.goal)))
    return rows


async def _counts(subject: Subject) -> list[Row]:
    fields = await read_hash(subject.gateway, subject.name)
    counts = decode({name: int(value) for name, value in fields.items()})
    rows = [("started", f"{counts.started:,}")] if counts.started else []
    for role, goals in (("triggered", counts.triggered), ("affected", counts.affected)):
        rows += [(f"goal {role}", f"{count:,} times {await subject.goal_name(goal)}") for goal, count in goals.items()]
    if counts.visitors:
        rows.append(("visitors", f"{counts.visitors:,}"))
    rows += [
        (f"hour {hour.index:02}{hour.offset}", f"{hour.visitors:,} visitors")
        for hour in sorted(counts.hours, key=lambda hour: (hour.index, hour.offset))
    ]
    return rows + [
        (f"purchases {currency}", f"{units // _UNIT:,}.{units % _UNIT:04}")
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


async def _cursor(subject: Subject) -> list[Row]:
    fields = await read_hash(subject.gateway, subject.name)
    texts = {
        "entry": "the last entry that was applied",
        "fence": "of the last owner; each has a greater one",
        "forced": "the newest fence that a command took, a purge or a rebuild",
        "revision": "the last commit's, a time in microseconds",
        "events": "applied so far",
        "records": "changes of records from outside",
        "dead_seen": "the newest dead letter that was marked as seen",
        "dead_indexed": "the newest dead letter with an index",
        "dead_unindexed": "the newest dead letter that may lack an index",
        "compacted": "the start of the last pass over old hours, a time in milliseconds",
        "swap": "the rebuild that the next owner has to put in place",
    }
    rows = [(name, f"{fields[name]} ({text})") for name, text in texts.items() if name in fields]
    ids = sum(positions.number for positions in id_positions(fields).values())
    return [*rows, ("ids", f"{ids:,} for deduplication")]


async def _text(subject: Subject) -> list[Row]:
    heading = {"lease": "owner", "rate": "requests"}[subject.parsed.kind]
    return [(heading, await read_text(subject.gateway, subject.name))]


async def _goal(subject: Subject) -> list[Row]:
    goal = GoalName.decode(await read_text(subject.gateway, subject.name))
    return [("name", goal.name), ("newest event", subject.at(goal.at_us))]


async def _organization(subject: Subject) -> list[Row]:
    fields = await read_hash(subject.gateway, subject.name)
    fixed = "fixed, it has events" if "has_events" in fields else "may be set, it has no events"
    rows = [("time zone", f"{fields.get('timezone', 'UTC')} ({fixed})")]
    if "since" in fields:
        rows.append(("since", subject.at(int(fields["since"]) * 1000)))
    return rows


async def _workflow(subject: Subject) -> list[Row]:
    fields = await read_hash(subject.gateway, subject.name)
    rows = [("kind", fields.get("kind", "")), ("name", fields.get("name", ""))]
    if "revision" in fields:
        rows.append(("last change", f"{subject.at(int(fields['revision']))}, revision {fields['revision']}"))
    return rows


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
        ("interactions", f"with {interactions} workflows"),
        ("goals", f"{len(names) - interactions} wait for late interactions"),
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
    "cursor": _cursor,
    "lease": _text,
    "organization": _organization,
    "organizations": _count,
    "workflows": _workflows,
    "workflow": _workflow,
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
