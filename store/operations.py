"""What a commit does, collected before it is done. Pure.

Each kind of operation is a method here and a function of the same name in `scripts/commit.lua`.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from store import keys

CHANGES_KEPT = 64  # buckets a workflow's log of changes names; a reader that lags further reads all anew
CHANGES_SECONDS = 2 * 86400

_PACKER = msgspec.msgpack.Encoder()


class Operations:
    """What a batch does, in the form that the script takes: keys once each, then a list for each operation.

    Lists travel as one MessagePack argument: a batch has tens of thousands of values, and Redis clients spend far longer on an
    argument than an encoder does on a value.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        # Apart from the rest, because letters hold bytes of any kind, and Redis reads no binary values in MessagePack.
        self.letters: list[int | str | bytes] = []
        self._steps: list[tuple[Any, ...]] = []
        self._places: dict[str, int] = {}

    def packed(self) -> bytes:
        """All operations, in order."""
        return _PACKER.encode(self._steps)

    def _place(self, key: str) -> int:
        """The key's index in KEYS, where four keys of the partition come first."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.keys) + 5
            self.keys.append(key)
        return place

    def sketch(self, key: str, elements: Collection[str], expiry: int, stored: tuple[str, str] | None = None) -> None:
        """Add elements to a HyperLogLog; `stored` names the hash and field that keep its count."""
        counts, field = (self._place(stored[0]), stored[1]) if stored else (0, "")
        self._steps.append(("sketch", self._place(key), expiry, elements, counts, field))

    def add(self, key: str, increments: Mapping[str, int], expiry: int) -> None:
        """Increment fields of a hash."""
        # As text: Lua's numbers are floats.
        flat = [part for field, by in increments.items() for part in (field, str(by))]
        self._steps.append(("add", self._place(key), expiry, flat))

    def put(self, key: str, values: Mapping[str, str], expiry: int) -> None:
        """Set fields of a hash; an expiry of 0 leaves the key's life as it is."""
        flat = [part for pair in values.items() for part in pair]
        self._steps.append(("put", self._place(key), expiry, flat))

    def drop(self, key: str, fields: list[str]) -> None:
        """Delete fields of a hash."""
        self._steps.append(("drop", self._place(key), fields))

    def remember(self, key: str, members: list[int], expiry: int) -> None:
        """Add integers to a set."""
        self._steps.append(("remember", self._place(key), expiry, list(map(str, members))))

    def set(self, key: str, value: str, expiry: int) -> None:
        """Set a string."""
        self._steps.append(("set", self._place(key), expiry, value))

    def workflow(
        self,
        partition: int,
        organization: str,
        workflow: str,
        kind: str,
        newest_us: int,
        changed: list[str],
        now: int,
    ) -> None:
        """Note that buckets of a workflow changed, given as `<level>:<start>`, and when its newest event was."""
        record = self._place(keys.workflow(partition, organization, workflow))
        listed = self._place(keys.workflows(partition, organization))
        changes = self._place(keys.changes(partition, organization, workflow))
        newest = str(newest_us)
        self._steps.append(
            ("workflow", record, listed, changes, now + CHANGES_SECONDS, CHANGES_KEPT, workflow, kind, newest, changed)
        )

    def renamed(self, organization_key: str) -> None:
        """Note in an organization's record that a goal of it goes by another name now."""
        self._steps.append(("renamed", self._place(organization_key)))

    def letter(self, fields: Mapping[str, str | bytes]) -> None:
        """Write a dead letter."""
        self.letters += (2 * len(fields), *(part for pair in fields.items() for part in pair))
