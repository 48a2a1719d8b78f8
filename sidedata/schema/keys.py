"""The names of keys, which derive from the table of all keys (`table.py`)."""

import re
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sidedata.calendar.levels import Level
from sidedata.schema.table import BUCKET, KEYS

CONFIG: Final = KEYS["config"].pattern
TOKENS: Final = KEYS["tokens"].pattern
TOKENS_USED: Final = KEYS["tokens used"].pattern
WORKERS: Final = KEYS["workers"].pattern
ALL_KEYS: Final = "sd:*"  # the SCAN pattern of all keys of all partitions

PARTITION: Final = "sd:{p}:"  # the common beginning of the patterns of a partition's keys
# Patterns of a partition's keys as formats, without their common beginning.
_FORMATS: Final = {
    name: re.sub(r"<\w+>", "%s", key.pattern.removeprefix(PARTITION))
    for name, key in KEYS.items()
    if key.pattern.startswith(PARTITION)
}
_IDS_FORMAT: Final = _FORMATS["ids"].removesuffix("%s")
_BUCKETS_FORMAT: Final = re.sub(r"<\w+>", "%s", BUCKET.removeprefix(PARTITION).removesuffix("<start>:"))


class WorkflowKeys(NamedTuple):
    """The names of a workflow's keys without a time: its record, its log of changes, the list of its organization's workflows."""

    record: str
    changes: str
    workflows: str


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

    @property
    def pattern(self) -> str:
        """The SCAN pattern of all keys."""
        return f"{self.prefix}*"

    def pattern_of(self, organization: str, workflow: str | None = None) -> str:
        """The SCAN pattern of all keys that name an organization, or of a workflow's keys; its record and its log do not match."""
        return f"{self.prefix}*:{organization}" + ("*" if workflow is None else f":{workflow}:*")

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

    def of_workflow(self, organization: str, workflow: str) -> WorkflowKeys:
        """A workflow's keys without a time."""
        return WorkflowKeys(
            self.workflow(organization, workflow), self.changes(organization, workflow), self.workflows(organization)
        )

    def changes(self, organization: str, workflow: str) -> str:
        """The log of a workflow's changed buckets by revision; missing: none since `changes_from`."""
        return self.prefix + _FORMATS["changes"] % (organization, workflow)

    def goal(self, organization: str, goal: str) -> str:
        """A goal's name; "" as goal gives the common beginning of the keys of all goals of the organization."""
        return self.prefix + _FORMATS["goal"] % (organization, goal)

    def bucket(self, organization: str, workflow: str, level: Level, start: int) -> str:
        """The common beginning of a bucket's keys, the last colon included; `start` is in seconds since the epoch."""
        return bucket_prefix(self.buckets(organization, workflow, level), start)

    def buckets(self, organization: str, workflow: str, level: Level) -> str:
        """The common beginning of the keys of a workflow's buckets of a level, up to their start."""
        return self.prefix + _BUCKETS_FORMAT % (level, organization, workflow)

    def ids(self, generation: int, layer: int) -> str:
        """The common beginning of the sets of ids of one generation and layer, the last colon included."""
        return self.prefix + _IDS_FORMAT % (generation, layer)

    def id_fingerprints(self, generation: int, segment: int) -> str:
        """The fingerprints of the ids of a segment that is not full; missing: none."""
        return self.prefix + _FORMATS["id fingerprints"] % (generation, segment)

    def id_filter(self, generation: int, segment: int) -> str:
        """The filter of the ids of a full segment."""
        return self.prefix + _FORMATS["id filter"] % (generation, segment)

    def visitor(self, organization: str, visitor_hash: str) -> str:
        """A visitor's state for attribution; missing: none."""
        return self.prefix + _FORMATS["visitor"] % (organization, visitor_hash)

    def swap(self, run: str) -> str:
        """The remaining steps of a swap; missing: none began, or all are done."""
        return self.prefix + _FORMATS["swap"] % run


def bucket_prefix(buckets: str, start: int) -> str:
    """The common beginning of the keys of one of a workflow's buckets (`Keyspace.buckets`), the last colon included."""
    return f"{buckets}{instant(start)}:"


def pattern_of_kind(kind: str) -> str:
    """The SCAN pattern of all keys of a kind, in all partitions; a key of another kind may match too."""
    return re.sub(r"<\w+>", "*", KEYS[kind].pattern).replace("{p}", "{*}")


@lru_cache(maxsize=16_384)
def keyspace(partition: int) -> Keyspace:
    """The live keys of a partition."""
    return Keyspace(partition)


def rate(token: str, second: int) -> str:
    """The number of requests that a token made in one second."""
    return KEYS["rate"].pattern.replace("<token>", token).replace("<second>", str(second))


@lru_cache(maxsize=8192)
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
