"""What a commit does, collected before it is done. Pure.

Each kind of operation is a method here and a function of the same name in `scripts/commit.lua`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from sidedata.schema import keys

# So many buckets a workflow's log of changes names at least, and twice as many at most; a reader that lags further reads all anew.
CHANGES_KEPT = 64
CHANGES_SECONDS = 2 * 86400
_CHANGES_STEP = 600  # its expiry is moved on by so much at once, not with every commit

_PACKER = msgspec.msgpack.Encoder()


# A key that may be gone within this many seconds is told its expiry again: it may have to begin a new life.
_NEARLY_GONE_SECONDS = 60


class Operations:
    """What a batch does, in the form that the script takes: keys once each, then a list for each operation.

    Lists travel as one MessagePack argument: a batch has tens of thousands of values, and Redis clients spend far longer on an
    argument than an encoder does on a value. Keys are named all the same: in a cluster, Redis refuses the whole script if one
    of them is on another node, where it would otherwise find out halfway through. What would change nothing is left out: an
    addition of nothing to a key whose expiry Redis was told before.

    Args:
        now: the batch's time in seconds.
        told: the expiries, by key, that earlier commits of the same owner have told Redis.
    """

    def __init__(self, now: int, told: Mapping[str, int]) -> None:
        self.keys: list[str] = []
        # Apart from the rest, because letters hold bytes of any kind, and Redis reads no binary values in MessagePack.
        self.letters: list[int | str | bytes] = []
        self.tells: dict[str, int] = {}  # expiries that this batch tells Redis, by key
        self._told = told
        self._now = now
        self._steps: list[tuple[Any, ...]] = []
        self._places: dict[str, int] = {}
        self._listed: dict[int, list[str]] = {}  # by list of workflows: scores and members in turn

    @property
    def count(self) -> int:
        """How many operations there are so far."""
        return len(self._steps)

    def packed(self) -> bytes:
        """All operations, in order."""
        return _PACKER.encode([*self._steps, *(("list", place, newest) for place, newest in self._listed.items())])

    def _place(self, key: str) -> int:
        """The key's index in KEYS, where four keys of the partition come first."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.keys) + 5
            self.keys.append(key)
        return place

    def _expiry(self, key: str, expiry: int) -> int:
        """The expiry, or 0 if the key lives as long anyway."""
        if expiry > self._now + _NEARLY_GONE_SECONDS and (
            self._told.get(key, 0) >= expiry or self.tells.get(key, 0) >= expiry
        ):
            return 0
        self.tells[key] = expiry
        return expiry

    def sketch(self, elements: Collection[str], targets: Iterable[tuple[str, int, tuple[str, str] | None]]) -> None:
        """Add elements to HyperLogLogs, each given as its key, its expiry, and the hash and field that keep its count, if any."""
        flat: list[Any] = []
        for key, expiry, stored in targets:
            if not elements and key not in self._told:
                continue  # there may be no such key, whose expiry could not be told
            told = self._expiry(key, expiry)
            if elements or told:
                counts, field = (self._place(stored[0]), stored[1]) if stored else (0, "")
                flat += (self._place(key), told, counts, field)
        if flat:
            self._steps.append(("sketch", elements, flat))

    def add(self, key: str, increments: Mapping[str, int], expiry: int) -> None:
        """Increment fields of a hash; an expiry of 0 leaves the key's life as it is."""
        told = self._expiry(key, expiry) if expiry else 0
        if increments or told:
            # As text: Lua's numbers are floats.
            flat = [part for field, by in increments.items() for part in (field, str(by))]
            self._steps.append(("add", self._place(key), told, flat))

    def put(self, key: str, values: Mapping[str, str], expiry: int) -> None:
        """Set fields of a hash; an expiry of 0 leaves the key's life as it is."""
        flat = [part for pair in values.items() for part in pair]
        self._steps.append(("put", self._place(key), expiry, flat))

    def drop(self, key: str, fields: list[str]) -> None:
        """Delete fields of a hash."""
        self._steps.append(("drop", self._place(key), fields))

    def remember(self, key: str, members: list[int], expiry: int) -> None:
        """Add integers to a set."""
        self._steps.append(("remember", self._place(key), self._expiry(key, expiry), list(map(str, members))))

    def set(self, key: str, value: str, expiry: int) -> None:
        """Set a string."""
        self._steps.append(("set", self._place(key), expiry, value))

    def workflow(
        self,
        partition: int,
        organization: str,
        workflow: str,
        kind: str | None,
        newest_us: int,
        changed: Sequence[str],
        *,
        trim: bool,
    ) -> None:
        """Note that buckets of a workflow changed, given as `<level>:<start>`, and when its newest event was.

        Args:
            kind: what its record may lack still; None if it has it for certain.
            trim: whether the log of changes may have grown too long.
        """
        listed = self._listed.setdefault(self._place(keys.workflows(partition, organization)), [])
        listed += (str(newest_us), workflow)
        if not changed:
            return
        record = self._place(keys.workflow(partition, organization, workflow))
        log = keys.changes(partition, organization, workflow)
        told = self._expiry(log, -(-(self._now + CHANGES_SECONDS) // _CHANGES_STEP) * _CHANGES_STEP)
        kept = CHANGES_KEPT if trim else 0
        self._steps.append(("workflow", record, kind or "", self._place(log), told, kept, changed))

    def renamed(self, organization_key: str) -> None:
        """Note in an organization's record that a goal of it goes by another name now."""
        self._steps.append(("renamed", self._place(organization_key)))

    def letter(self, fields: Sequence[str | bytes]) -> None:
        """Write a dead letter: names and values in turn."""
        self.letters += (len(fields), *fields)
