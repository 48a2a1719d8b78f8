"""The operations of a commit, collected before it is sent. Pure.

Each kind of operation is a method here and a function of the same name in `scripts/commit/commit.lua`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sidedata.events.dead_letter import DeadLetter
from sidedata.schema.keys import Keyspace, WorkflowKeys

# A workflow's log of changes names at least this many buckets, and twice as many at most; a reader that lags further reads all.
CHANGES_KEPT = 64
CHANGES_SECONDS = 2 * 86400
_CHANGES_STEP = 600  # the log's expiry moves in steps of this many seconds, not with every commit

_FIRST_INDEX = 5  # in KEYS: cursor, lease, events and dead letters come before

# A TTL of fewer seconds is set again: the key may have expired meanwhile, and a new one has no TTL.
NEARLY_EXPIRED_SECONDS = 60


class CountTarget(NamedTuple):
    """The field that stores the number of a sketch's elements: the key of its hash, and its name."""

    key: str
    field: str
    is_hour: bool


class SettledKeys(NamedTuple):
    """Keys that exist with their expiry, and the targets of operations on them as the script takes them; keys count from 1."""

    keys: tuple[str, ...]
    visitors: tuple[int | str, ...]  # number of values; key, 0, counts, field of each sketch
    sessions: tuple[int | str, ...]  # likewise
    counts: tuple[int | str, ...]  # number of values; key, 0 of each hash
    hours: tuple[tuple[int, int, str], ...]  # see `Operations.hours`
    changes: list[str]  # of their buckets


class Operations:
    """The operations of a batch in the form that the script takes: each key once, then one flat list of all operations.

    An operation is its name and its arguments; a list among them has its length before it. For a list of its own Lua would make a
    table, which costs about as much as a command. The list travels as one MessagePack argument: a batch has tens of thousands of
    values, and Redis clients spend far longer on an argument than an encoder does on a value. Keys are declared all the same: in a
    cluster, Redis refuses the whole script if one of them is on another node, where it would otherwise find out halfway through.
    No-ops are skipped, such as an empty addition to a key whose TTL is already set.

    Args:
        keyspace: of the partition, for the keys that a method names by itself.
        now: the batch's time in seconds.
        known_expiries: by key, the expiries that earlier commits of the same owner have set.
    """

    def __init__(self, keyspace: Keyspace, now: int, known_expiries: Mapping[str, int]) -> None:
        self.keyspace = keyspace
        self.keys: list[str] = []
        # Apart from the rest, because dead letters hold arbitrary bytes, and Redis reads no binary values in MessagePack.
        self.dead_letters: list[int | str | bytes] = []
        self.binaries: list[bytes] = []  # apart for the same reason
        self.new_expiries: dict[str, int] = {}  # expiries that this batch sets, by key
        self._known_expiries = known_expiries
        self._now = now
        self._soon = now + NEARLY_EXPIRED_SECONDS
        self._changes_expiry = -(-(now + CHANGES_SECONDS) // _CHANGES_STEP) * _CHANGES_STEP
        self._steps: list[int | str] = []
        # The key of each hour's visitors, key and field of its count: the commit is refused if there is a count without visitors.
        self.hours: list[int | str] = []
        self._indexes: dict[str, int] = {}
        self._newest: dict[int, list[str]] = {}  # by list of workflows or organizations: scores and members in turn

    @property
    def size(self) -> int:
        """The size of the operations so far, which each one increases, but for updates of lists of workflows and dead letters."""
        return len(self._steps)

    def steps(self) -> list[int | str]:
        """All operations in order, without dead letters."""
        steps = list(self._steps)
        for index, newest in self._newest.items():
            steps += ("list_workflows", index, len(newest), *newest)
        return steps

    def _index(self, key: str) -> int:
        """The key's index in the script's KEYS."""
        index = self._indexes.get(key)
        if index is None:
            keys = self.keys
            index = self._indexes[key] = len(keys) + _FIRST_INDEX
            keys.append(key)
        return index

    def _expiry(self, key: str, expiry: int) -> int:
        """The expiry to set; 0 if the key has it, or a later one, already."""
        if expiry > self._soon and (
            self._known_expiries.get(key, 0) >= expiry or self.new_expiries.get(key, 0) >= expiry
        ):
            return 0
        self.new_expiries[key] = expiry
        return expiry

    def sketch(self, elements: Collection[str], targets: Iterable[tuple[str, int, CountTarget | None]]) -> None:
        """Add elements to HyperLogLogs.

        Args:
            targets: key and expiry of each HyperLogLog, and the field that stores its count, None for no count.
        """
        flat: list[int | str] = []
        known, indexes, soon = self._known_expiries, self._indexes, self._soon
        for key, expiry, stored in targets:
            if not elements and key not in known:
                continue  # the key may not exist, and EXPIREAT needs one
            # This runs for every bucket of every batch: nearly all keys have their expiry.
            new_expiry = 0 if known.get(key, 0) >= expiry > soon else self._expiry(key, expiry)
            if elements or new_expiry:
                index = indexes.get(key) or self._index(key)
                if stored is None:
                    flat += (index, new_expiry, 0, "")
                    continue
                counts, field = indexes.get(stored.key) or self._index(stored.key), stored.field
                flat += (index, new_expiry, counts, field)
                if stored.is_hour and self.hours[-3:-2] != [index]:  # a second count is no other hour
                    self.hours += (index, counts, field)
        if flat:
            self._steps += ("sketch", 0, len(elements), *elements, len(flat), *flat)

    def increment(self, key: str, increments: Mapping[str, int], expiry: int) -> None:
        """Increment fields of a hash; an expiry of 0 leaves the key's TTL as it is."""
        new_expiry = (
            0 if self._known_expiries.get(key, 0) >= expiry > self._soon or not expiry else self._expiry(key, expiry)
        )
        if increments or new_expiry:
            index = self._indexes.get(key) or self._index(key)
            self._steps += ("increment", 0, 2, index, new_expiry, *_increments(increments))

    def has_expiry(self, key: str, expiry: int) -> bool:
        """Tell if the key exists for certain, with that expiry or a later one, and will not expire soon."""
        return self._known_expiries.get(key, 0) >= expiry > self._soon

    def add_to_settled(
        self, settled: SettledKeys, visitors: Collection[str], sessions: Collection[str], counts: Mapping[str, int]
    ) -> None:
        """Add elements to the sketches of settled keys, and increment fields of their hashes."""
        before = len(self.keys) + _FIRST_INDEX - 1  # the index before the first one
        self.keys += settled.keys
        if visitors:
            self._steps += ("sketch", before, len(visitors), *visitors, *settled.visitors)
            for sketch, hash_of_count, field in settled.hours:
                self.hours += (before + sketch, before + hash_of_count, field)
        if sessions:
            self._steps += ("sketch", before, len(sessions), *sessions, *settled.sessions)
        if counts:
            self._steps += ("increment", before, *settled.counts, *_increments(counts))

    def put(self, key: str, values: Mapping[str, str], expiry: int) -> None:
        """Set fields of a hash; an expiry of 0 leaves the key's TTL as it is."""
        self._steps += ("put", self._index(key), expiry, 2 * len(values))
        for pair in values.items():
            self._steps += pair

    def delete_fields(self, key: str, fields: list[str]) -> None:
        """Delete fields of a hash."""
        self._steps += ("delete_fields", self._index(key), len(fields), *fields)

    def add_members(self, key: str, members: list[str], expiry: int) -> None:
        """Add integers, as text, to a set."""
        self._steps += ("add_members", self._index(key), self._expiry(key, expiry), len(members), *members)

    def set(self, key: str, value: str, expiry: int) -> None:
        """Set a string."""
        self._steps += ("set", self._index(key), expiry, value)

    def append(self, key: str, value: bytes, expiry: int) -> None:
        """Append bytes to a string; a no-op where the account lacks the right to APPEND."""
        self.binaries.append(value)
        self._steps += ("append", self._index(key), self._expiry(key, expiry), len(self.binaries))

    def replace(self, old_key: str, key: str, value: bytes, expiry: int) -> None:
        """Delete a key, and set another one to bytes."""
        self.binaries.append(value)
        index = self._index(old_key)
        self._steps += ("replace", index, self._index(key), self._expiry(key, expiry), len(self.binaries))

    def change_workflow(
        self,
        keys: WorkflowKeys,
        workflow: str,
        kind: str | None,
        newest_us: int,
        changes: Sequence[str],
        *,
        trim: bool,
    ) -> None:
        """Record the changes of a workflow's buckets, given as `<level>:<start>`, and the time of its newest event.

        Args:
            keys: of the workflow.
            kind: the kind that its record may lack; None if the record has it for certain.
            trim: the log of changes may have grown too long.
        """
        index = self._indexes.get(keys.workflows) or self._index(keys.workflows)
        newest = self._newest.get(index)
        if newest is None:
            newest = self._newest[index] = []
        newest += (str(newest_us), workflow)
        if not changes:
            return
        record = self._index(keys.record)
        new_expiry = self._expiry(keys.changes, self._changes_expiry)
        log = self._index(keys.changes)
        # Those that would not stay are not sent: an import changes thousands of buckets at once.
        most = CHANGES_KEPT if trim else 0
        named = changes[:most] if trim else changes
        left_out = len(changes) - len(named)
        self._steps += ("change_workflow", record, kind or "", log, new_expiry, most, left_out, len(named), *named)

    def list_organization(self, organization: str) -> None:
        """Add an organization to the partition's list; a shadow has none."""
        if not self.keyspace.run:
            self._newest.setdefault(self._index(self.keyspace.organizations), []).extend(("0", organization))

    def change_names(self, organization_key: str) -> None:
        """Record, in an organization's record, that the name of one of its goals has changed."""
        self._steps += ("change_names", self._index(organization_key))

    def dead_letter(self, dead_letter: DeadLetter) -> None:
        """Write a dead letter, and its id in the index of its organization; a shadow's are only counted."""
        fields = dead_letter.stored_fields()
        indexed = dead_letter.organization and not self.keyspace.run
        index = self._index(self.keyspace.dead_of(dead_letter.organization)) if indexed else 0
        self.dead_letters += (len(fields), index, *fields)


def _increments(increments: Mapping[str, int]) -> list[int | str]:
    """Fields and increments, after the number of both; as text, because Lua's numbers are floats."""
    values: list[int | str] = [2 * len(increments)]
    for field, by in increments.items():
        values += (field, str(by))
    return values
