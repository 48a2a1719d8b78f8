"""Every key, in one place. `{p}` is a partition's number; the braces are the hash tag that keeps it in one cluster slot.

| key | type | holds | lives | written by | read by |
| --- | --- | --- | --- | --- | --- |
| `sd:config` | hash | `partitions`, `schema`, `secret` (a fingerprint) | for ever | first start | every start |
| `sd:tokens` | hash | SHA-256 of a token: its JSON record | for ever | `sidedata token` | service |
| `sd:tokens:used` | hash | a token's id: when it was last used, s, to a minute | for ever | service | `sidedata token` |
| `sd:workers` | sorted set | worker: its last heartbeat, ms | 1 min | worker | worker, `inspect` |
| `sd:rate:<token>:<second>` | string | requests of that token in that second | 2 s | service | service |
| `sd:{p}:events` | stream | entries not yet applied | until applied | producers | worker |
| `sd:{p}:dead` | stream | dead letters | 30 days each | worker | `sidedata dead` |
| `sd:{p}:dead:anew` | stream | those that stay, while a purge takes others away | 10 min | `sidedata purge` | itself |
| `sd:{p}:cursor` | hash | `entry` applied last, `fence`, `revision`, `events` applied, `records`, `ids:<generation>`, `swap` (a run, while one is under way) | for ever | worker | worker, `inspect` |
| `sd:{p}:lease` | string | the worker that owns the partition | 3 s | worker | worker, `inspect` |
| `sd:{p}:organization:<org>` | hash | `timezone`, `has_events`, `since` (ms, salts its event ids), `names` (revision) | for ever | worker, `sidedata org` | both |
| `sd:{p}:workflows:<org>` | sorted set | workflow: its newest event, µs (0: none) | for ever | worker, `sidedata workflow` | service |
| `sd:{p}:workflow:<org>:<workflow>` | hash | `kind`, `name`, `revision`, `fence` (of its commit), `changes_from` | for ever | the same | both |
| `sd:{p}:changes:<org>:<workflow>` | sorted set | bucket: revision of its last change, the newest 64 to 130 | 2 days | worker | service |
| `sd:{p}:goal:<org>:<goal>` | string | newest event's µs, a blank, the goal's name | day retention | worker | service |
| `sd:{p}:<level>:<org>:<workflow>:<start>:visitors` | HyperLogLog | visitors of the bucket | bucket | worker | service |
| `sd:{p}:<level>:<org>:<workflow>:<start>:sessions` | HyperLogLog | sessions (page navigation) | bucket | worker | service |
| `sd:{p}:<level>:<org>:<workflow>:<start>:counts` | hash | exact counts, see below | bucket | worker | service |
| `sd:{p}:<level>:<org>:<workflow>:<start>:<role>:<goal>:visitors` | HyperLogLog | the goal's visitors; `:sessions` too | bucket | worker | service |
| `sd:{p}:ids:<generation>:<layer>:<n>` | set of integers | hashes of the ids of applied events | 2 generations | worker | worker |
| `sd:{p}:visitor:<org>:<hash>` | hash | what attribution remembers of a visitor | 2 days | worker | worker |
| `sd:{p}:rebuild:<run>:<key>` | any | what the live `<key>` of the partition will be, if the rebuild gets there | 2 days | `sidedata rebuild` | itself |
| `sd:{p}:swap:<run>` | list | steps that are left of putting what was rebuilt in place | 2 days | `sidedata rebuild` | owner |

`<level>` is `5min`, `hour` or `day`; `<start>` the bucket's start in UTC (`2026-11-23T22:00Z`), so that local hours and days
of any zone sort and read plainly; `<role>` is `triggered` or `affected`. A missing key means: nothing happened.

Fields of `counts`: `started`; `triggered:<goal>` and `affected:<goal>` (events); `purchases:<currency>:high` and `:low` (sum in
1/10,000 of the currency, high * 10^9 + low); in day buckets of page navigation `visitors` (the day's unique visitors) and
`visitors@14+02:00` (those of the local hour 14 at that offset), stored by the commit that changed the sketch.
"""

import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Self

from sidedata.calendar.levels import Level

CONFIG = "sd:config"
TOKENS = "sd:tokens"
TOKENS_USED = "sd:tokens:used"
WORKERS = "sd:workers"


def partition_of(organization: str, partitions: int) -> int:
    """The partition of an organization, given as 36 lowercase characters."""
    return zlib.crc32(organization.encode()) % partitions


class Shadow(int):
    """A partition's number while a rebuild builds: the functions below then name keys beside the live ones, in their slot."""

    run: str

    def __new__(cls, partition: int, run: str) -> Self:
        """The shadow of a partition that one run builds."""
        made = super().__new__(cls, partition)
        made.run = run
        return made


def prefix(partition: int) -> str:
    """What all keys of a partition, or of its shadow, begin with, the last colon included."""
    if isinstance(partition, Shadow):
        return f"sd:{{{int(partition)}}}:rebuild:{partition.run}:"
    return f"sd:{{{partition}}}:"


def events(partition: int) -> str:
    """The ingest stream."""
    return f"{prefix(partition)}events"


def dead(partition: int) -> str:
    """The stream of dead letters."""
    return f"{prefix(partition)}dead"


def dead_anew(partition: int) -> str:
    """The dead letters that stay, while a purge writes them anew."""
    return f"{prefix(partition)}dead:anew"


def cursor(partition: int) -> str:
    """How far the partition is applied, and the fence that guards it."""
    return f"{prefix(partition)}cursor"


def lease(partition: int) -> str:
    """Who may apply events of the partition; missing: nobody does."""
    return f"{prefix(partition)}lease"


def organization(partition: int, organization_id: str) -> str:
    """An organization's record; missing: time zone UTC, no events."""
    return f"{prefix(partition)}organization:{organization_id}"


def workflows(partition: int, organization_id: str) -> str:
    """The organization's workflows by their newest event."""
    return f"{prefix(partition)}workflows:{organization_id}"


def workflow(partition: int, organization_id: str, workflow_id: str) -> str:
    """A workflow's record; missing: no such workflow."""
    return f"{prefix(partition)}workflow:{organization_id}:{workflow_id}"


def changes(partition: int, organization_id: str, workflow_id: str) -> str:
    """Which buckets of a workflow changed at which revision; missing: none since `changes_from`."""
    return f"{prefix(partition)}changes:{organization_id}:{workflow_id}"


def goal(partition: int, organization_id: str, goal_id: str) -> str:
    """The name that a goal goes by."""
    return f"{prefix(partition)}goal:{organization_id}:{goal_id}"


@lru_cache(maxsize=8192)
def instant(start: int) -> str:
    """A bucket's start, in seconds since the epoch, as it stands in a key; seconds show only where there are any."""
    moment = datetime.fromtimestamp(start, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if moment.second else "%Y-%m-%dT%H:%MZ")


def bucket(partition: int, organization_id: str, workflow_id: str, level: Level, start: int) -> str:
    """What all keys of a bucket begin with, the last colon included; `start` is in seconds since the epoch."""
    return f"{prefix(partition)}{level}:{organization_id}:{workflow_id}:{instant(start)}:"


@lru_cache(maxsize=4096)
def hour_field(index: int, offset: int) -> str:
    """The field of a day's counts that stores the unique visitors of one of its hours, such as `visitors@14+02:00`."""
    minutes, seconds = divmod(abs(offset), 60)
    sign = "-" if offset < 0 else "+"
    return f"visitors@{index:02}{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def ids(partition: int, generation: int, layer: int) -> str:
    """What the small sets of remembered ids of one generation and layer begin with, the last colon included."""
    return f"{prefix(partition)}ids:{generation}:{layer}:"


def visitor(partition: int, organization_id: str, visitor_hash: str) -> str:
    """What attribution remembers of a visitor; missing: nothing."""
    return f"{prefix(partition)}visitor:{organization_id}:{visitor_hash}"


def swap(partition: int, run: str) -> str:
    """The steps that are left of a swap; missing: none began, or all are done."""
    return f"{prefix(partition)}swap:{run}"
