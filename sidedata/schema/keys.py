"""The schema of Redis: one table of all keys, and the names that derive from it.

`KEYS` is the only place that knows how a key looks. `Keyspace` builds names from its patterns, `key_names` parses them,
`inspect key` and the doctor take types and TTLs from it, and ARCHITECTURE.md shows it.

`{p}` is a partition's number; the braces are the hash tag that keeps all keys of a partition in one cluster slot. `<level>` is
`5min`, `hour` or `day`; `<start>` is the bucket's start in UTC (`2026-11-23T22:00Z`), so that local hours and days of any zone
sort and read plainly; `<role>` is `triggered` or `affected`. A missing key means that nothing happened.
"""

import re
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sidedata.calendar.levels import Level

ENDLESS: Final = "none"


class Key(NamedTuple):
    """A row of the table: a key's pattern, its type in Redis, its content, its TTL, its writers and its readers."""

    pattern: str
    type: str
    holds: str
    ttl: str
    writers: str
    readers: str

    @property
    def endless(self) -> bool:
        """A key without a TTL; streams and their entries, records, tokens and configuration are."""
        return self.ttl.startswith(ENDLESS)


_BUCKET: Final = "sd:{p}:<level>:<org>:<workflow>:<start>:"

KEYS: Final[dict[str, Key]] = {
    "config": Key(
        "sd:config", "hash", "`partitions`, `schema`, `secret` (a fingerprint)", ENDLESS, "first start", "every start"
    ),
    "tokens": Key("sd:tokens", "hash", "SHA-256 of a token: its JSON record", ENDLESS, "`sidedata token`", "service"),
    "tokens used": Key(
        "sd:tokens:used",
        "hash",
        "a token's id: its last use, s, to a minute",
        ENDLESS,
        "service",
        "`sidedata token`",
    ),
    "workers": Key(
        "sd:workers", "sorted set", "worker: its last heartbeat, ms", "1 min", "worker", "worker, `inspect`"
    ),
    "rate": Key(
        "sd:rate:<token>:<second>", "string", "requests of that token in that second", "2 s", "service", "service"
    ),
    "events": Key(
        "sd:{p}:events", "stream", "entries not yet applied", "none; an entry goes when applied", "producers", "worker"
    ),
    "dead": Key(
        "sd:{p}:dead", "stream", "dead letters", "none; an entry goes after 30 days", "worker", "`sidedata dead`"
    ),
    "dead index": Key(
        "sd:{p}:dead:<org>",
        "stream",
        "ids of the organization's dead letters, the dead letters' own",
        "dead letters' retention",
        "worker",
        "service",
    ),
    "dead rewrite": Key(
        "sd:{p}:dead:anew",
        "stream",
        "the dead letters that a purge keeps, while it rewrites them",
        "10 min",
        "`sidedata purge`",
        "itself",
    ),
    "cursor": Key(
        "sd:{p}:cursor",
        "hash",
        "`entry` applied last, `fence`, `forced` (the newest fence that a command took), `revision`, `events` applied, "
        "`records`, `ids:<generation>`, "
        "`zones` (the release of zone data that its organizations were compared with), "
        "`dead_seen` (the newest dead letter that was marked as seen), `listed` (the list of organizations is complete), "
        "`swap` (a run, while one is under way)",
        ENDLESS,
        "worker",
        "worker, `inspect`",
    ),
    "lease": Key("sd:{p}:lease", "string", "the worker that owns the partition", "3 s", "worker", "worker, `inspect`"),
    "organization": Key(
        "sd:{p}:organization:<org>",
        "hash",
        "`timezone`, `name`, `rules` (the offsets of that zone), `has_events`, `since` (ms, salts its event ids), "
        "`names` (revision; new rules move it too)",
        ENDLESS,
        "worker, `sidedata org`",
        "both",
    ),
    "organizations": Key(
        "sd:{p}:organization:ids",
        "sorted set",
        "the partition's organizations, all with the score 0: sorted by id",
        ENDLESS,
        "worker, `sidedata org`, service",
        "service",
    ),
    "workflows": Key(
        "sd:{p}:workflows:<org>",
        "sorted set",
        "workflow: its newest event, µs (0: none)",
        ENDLESS,
        "worker, `sidedata workflow`",
        "service",
    ),
    "workflow": Key(
        "sd:{p}:workflow:<org>:<workflow>",
        "hash",
        "`kind`, `name`, `revision`, `fence` (of its commit), `changes_from`",
        ENDLESS,
        "worker, `sidedata workflow`",
        "both",
    ),
    "changes": Key(
        "sd:{p}:changes:<org>:<workflow>",
        "sorted set",
        "bucket: revision of its last change, the newest 64 to 130",
        "2 days",
        "worker",
        "service",
    ),
    "goal": Key(
        "sd:{p}:goal:<org>:<goal>",
        "string",
        "newest event's µs, a blank, the goal's name",
        "day retention",
        "worker",
        "service",
    ),
    "visitors": Key(_BUCKET + "visitors", "HyperLogLog", "visitors of the bucket", "bucket", "worker", "service"),
    "sessions": Key(_BUCKET + "sessions", "HyperLogLog", "sessions (page navigation)", "bucket", "worker", "service"),
    "counts": Key(_BUCKET + "counts", "hash", "exact counts, see below", "bucket", "worker", "service"),
    "goal visitors": Key(
        _BUCKET + "<role>:<goal>:visitors", "HyperLogLog", "visitors of a goal", "bucket", "worker", "service"
    ),
    "goal sessions": Key(
        _BUCKET + "<role>:<goal>:sessions", "HyperLogLog", "sessions of a goal", "bucket", "worker", "service"
    ),
    "ids": Key(
        "sd:{p}:ids:<generation>:<layer>:<n>",
        "set of integers",
        "hashes of the ids of applied events",
        "2 generations",
        "worker",
        "worker",
    ),
    "visitor": Key(
        "sd:{p}:visitor:<org>:<hash>",
        "hash",
        "the interactions and goals of a visitor that attribution needs",
        "2 days",
        "worker",
        "worker",
    ),
    "shadow": Key(
        "sd:{p}:rebuild:<run>:<key>",
        "any",
        "the future value of the live `<key>` of the partition, if the rebuild completes",
        "2 days",
        "`sidedata rebuild`",
        "itself",
    ),
    "swap": Key(
        "sd:{p}:swap:<run>",
        "list",
        "the remaining steps of putting a rebuild in place",
        "2 days",
        "`sidedata rebuild`",
        "owner",
    ),
}

CONFIG: Final = KEYS["config"].pattern
TOKENS: Final = KEYS["tokens"].pattern
TOKENS_USED: Final = KEYS["tokens used"].pattern
WORKERS: Final = KEYS["workers"].pattern

_PARTITION: Final = "sd:{p}:"
# Patterns of a partition's keys as formats, without their common beginning.
_FORMATS: Final = {
    name: re.sub(r"<\w+>", "%s", key.pattern.removeprefix(_PARTITION))
    for name, key in KEYS.items()
    if key.pattern.startswith(_PARTITION)
}
_IDS_FORMAT: Final = _FORMATS["ids"].removesuffix("%s")
_BUCKET_FORMAT: Final = re.sub(r"<\w+>", "%s", _BUCKET.removeprefix(_PARTITION))


class Keyspace:
    """Names of the keys of one partition.

    Args:
        partition: its number.
        run: a rebuild's run: the names are then those of its shadow, beside the live ones and in their slot. "" for live ones.
    """

    __slots__ = ("cursor", "dead", "dead_rewrite", "events", "lease", "organizations", "partition", "prefix", "run")

    def __init__(self, partition: int, run: str = "") -> None:
        self.partition = partition
        self.run = run
        live = f"sd:{{{partition}}}:"
        self.prefix = live + (_FORMATS["shadow"] % (run, "") if run else "")
        self.events = self.prefix + _FORMATS["events"]
        self.dead = self.prefix + _FORMATS["dead"]
        self.dead_rewrite = self.prefix + _FORMATS["dead rewrite"]
        self.cursor = self.prefix + _FORMATS["cursor"]
        self.organizations = self.prefix + _FORMATS["organizations"]
        self.lease = self.prefix + _FORMATS["lease"]

    @property
    def live(self) -> "Keyspace":
        """The live keys that a shadow is built for."""
        return Keyspace(self.partition)

    def dead_of(self, organization: str) -> str:
        """The index of an organization's dead letters; it may name letters that are gone."""
        return self.prefix + _FORMATS["dead index"] % organization

    def organization(self, organization: str) -> str:
        """An organization's record; missing: time zone UTC, no events."""
        return self.prefix + _FORMATS["organization"] % organization

    def workflows(self, organization: str) -> str:
        """The organization's workflows by their newest event."""
        return self.prefix + _FORMATS["workflows"] % organization

    def workflow(self, organization: str, workflow: str) -> str:
        """A workflow's record; missing: no such workflow."""
        return self.prefix + _FORMATS["workflow"] % (organization, workflow)

    def changes(self, organization: str, workflow: str) -> str:
        """The log of a workflow's changed buckets by revision; missing: none since `changes_from`."""
        return self.prefix + _FORMATS["changes"] % (organization, workflow)

    def goal(self, organization: str, goal: str) -> str:
        """A goal's name; "" as goal gives the common beginning of the keys of all goals of the organization."""
        return self.prefix + _FORMATS["goal"] % (organization, goal)

    def bucket(self, organization: str, workflow: str, level: Level, start: int) -> str:
        """The common beginning of a bucket's keys, the last colon included; `start` is in seconds since the epoch."""
        return self.prefix + _BUCKET_FORMAT % (level, organization, workflow, instant(start))

    def ids(self, generation: int, layer: int) -> str:
        """The common beginning of the sets of ids of one generation and layer, the last colon included."""
        return self.prefix + _IDS_FORMAT % (generation, layer)

    def visitor(self, organization: str, visitor_hash: str) -> str:
        """A visitor's state for attribution; missing: none."""
        return self.prefix + _FORMATS["visitor"] % (organization, visitor_hash)

    def swap(self, run: str) -> str:
        """The remaining steps of a swap; missing: none began, or all are done."""
        return self.prefix + _FORMATS["swap"] % run


@lru_cache(maxsize=16_384)
def keyspace(partition: int) -> Keyspace:
    """The live keys of a partition."""
    return Keyspace(partition)


def rate(token: str, second: int) -> str:
    """The number of requests that a token made in one second."""
    return KEYS["rate"].pattern.replace("<token>", token).replace("<second>", str(second))


def partition_of(organization: str, partitions: int) -> int:
    """The partition of an organization, given as 36 lowercase characters."""
    return zlib.crc32(organization.encode()) % partitions


@lru_cache(maxsize=8192)
def instant(start: int) -> str:
    """A bucket's start, in seconds since the epoch, as it stands in a key; seconds show only where there are any."""
    moment = datetime.fromtimestamp(start, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if moment.second else "%Y-%m-%dT%H:%MZ")


def seconds_of(start: str) -> int:
    """The inverse of `instant`."""
    return int(datetime.fromisoformat(start).timestamp())
