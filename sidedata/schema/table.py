"""The schema of Redis: one table of all keys.

`KEYS` is the only place that knows how a key looks. `Keyspace` builds names from its patterns, `key_names` parses them,
`inspect key` and the doctor take types and TTLs from it, and ARCHITECTURE.md shows it.

`{p}` is a partition's number; the braces are the hash tag that keeps all keys of a partition in one cluster slot. `<level>` is
`5min`, `hour` or `day`; `<start>` is the bucket's start in UTC (`2026-11-23T22:00Z`), so that local hours and days of any zone
sort and read plainly; `<role>` is `triggered` or `affected`. A missing key means that nothing happened.
"""

from typing import Final, NamedTuple

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


BUCKET: Final = "sd:{p}:<level>:<org>:<workflow>:<start>:"
# Ends of the names of a bucket's own keys.
BUCKET_VISITORS: Final = "visitors"
BUCKET_SESSIONS: Final = "sessions"
BUCKET_COUNTS: Final = "counts"

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
        "`records`, `ids:<generation>` and `first_id:<generation>` (positions of that generation's next and first id), "
        "`zones` and `newest_zones` (the oldest and the newest release of its organizations' rules at the last comparison), "
        "`compacted` (ms, the start of the last pass over old hours), "
        "`former_until` (s: until then new organizations get a `former`; 0: no version without tables owned the partition), "
        "`dead_seen` (the newest dead letter that was marked as seen), `listed` (the list of organizations is complete), "
        "`dead_indexed`, `dead_unindexed` (dead letters behind the one and up to the other may lack an index), "
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
        "`names` (revision; new rules move it too), "
        "`recut` (a run and starts of days, which are read from the shadow of that run while they are put in place), "
        "`former` (a second, and the table by which days are also written until then, for processes without tables)",
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
    "visitors": Key(BUCKET + BUCKET_VISITORS, "HyperLogLog", "visitors of the bucket", "bucket", "worker", "service"),
    "sessions": Key(
        BUCKET + BUCKET_SESSIONS, "HyperLogLog", "sessions (page navigation)", "bucket", "worker", "service"
    ),
    "counts": Key(BUCKET + BUCKET_COUNTS, "hash", "exact counts, see below", "bucket", "worker", "service"),
    "goal visitors": Key(
        BUCKET + "<role>:<goal>:visitors", "HyperLogLog", "visitors of a goal", "bucket", "worker", "service"
    ),
    "goal sessions": Key(
        BUCKET + "<role>:<goal>:sessions", "HyperLogLog", "sessions of a goal", "bucket", "worker", "service"
    ),
    "ids": Key(
        "sd:{p}:ids:<generation>:<layer>:<n>",
        "set of integers",
        "hashes of the ids of applied events",
        "2 generations",
        "worker",
        "worker",
    ),
    "id fingerprints": Key(
        "sd:{p}:ids:<generation>:fingerprints:<n>",
        "string",
        "4 bytes of the hash of each id at the positions from n * 131,072 on, beyond the first layer",
        "2 generations",
        "worker",
        "worker",
    ),
    "id filter": Key(
        "sd:{p}:ids:<generation>:filter:<n>",
        "string",
        "Bloom filter of the ids at the 131,072 positions from n * 131,072 on, beyond the first layer",
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
        "the future value of the live `<key>` of the partition, if the rebuild, or the adoption of newer rules, completes",
        "2 days",
        "`sidedata rebuild`, worker",
        "itself, service",
    ),
    "swap": Key(
        "sd:{p}:swap:<run>",
        "list",
        "the remaining steps of putting a rebuild, or days that are cut again, in place",
        "2 days",
        "`sidedata rebuild`, worker",
        "owner",
    ),
}
