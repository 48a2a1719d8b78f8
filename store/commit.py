"""The write path: one fenced, atomic commit of a batch.

Whoever owns a partition (see `ingest.lease`) collects what a batch does as `Operations` and sends them with `commit`, which
runs `scripts/commit.lua`. The script checks the fence and the cursor and then does all of it: counters, sketches, state,
dead letters, the new cursor, and the trimming of the stream.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from store import keys
from store.client import Client, translated
from store.errors import LeaseLostError, StopError
from store.scripts import script
from store.settings import Settings

CHANGES_KEPT = 64  # buckets a workflow's log of changes names; a reader that lags further reads all anew
CHANGES_SECONDS = 2 * 86400

_COMMIT = script("commit")


class Ownership(Struct):
    """A partition in somebody's hands: the fence that proves it, and how far the partition is applied."""

    partition: int
    worker: str
    fence: int
    entry: str = "0-0"
    records: int = 0


class StaleError(Exception):
    """What the batch was planned on has changed (a record, a retention limit): plan it again."""


class Operations:
    """What a batch does, in the form that the script takes: keys once each, then flat arguments."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.arguments: list[str | bytes | int] = []
        self._places: dict[str, int] = {}

    def _place(self, key: str) -> int:
        """The key's index in KEYS, where four keys of the partition come first."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.keys) + 5
            self.keys.append(key)
        return place

    def sketch(self, key: str, elements: Iterable[bytes], expiry: int, stored: tuple[str, str] | None = None) -> None:
        """Add elements of 8 bytes to a HyperLogLog; `stored` names the hash and field that keep its count."""
        counts, field = (self._place(stored[0]), stored[1]) if stored else (0, "")
        self.arguments += ("sketch", self._place(key), expiry, b"".join(elements), counts, field)

    def add(self, key: str, increments: Mapping[str, int], expiry: int) -> None:
        """Increment fields of a hash."""
        self.arguments += ("add", self._place(key), expiry, len(increments))
        for pair in increments.items():
            self.arguments += pair

    def put(self, key: str, values: Mapping[str, str], expiry: int) -> None:
        """Set fields of a hash; an expiry of 0 leaves the key's life as it is."""
        self.arguments += ("put", self._place(key), expiry, len(values))
        for pair in values.items():
            self.arguments += pair

    def drop(self, key: str, fields: list[str]) -> None:
        """Delete fields of a hash."""
        self.arguments += ("drop", self._place(key), len(fields), *fields)

    def remember(self, key: str, members: list[int], expiry: int) -> None:
        """Add integers to a set."""
        self.arguments += ("remember", self._place(key), expiry, len(members), *members)

    def set(self, key: str, value: str, expiry: int) -> None:
        """Set a string."""
        self.arguments += ("set", self._place(key), expiry, value)

    def workflow(
        self, partition: int, organization: str, workflow: str, kind: str, newest_us: int, changed: list[str], now: int
    ) -> None:
        """Note that buckets of a workflow changed, given as `<level>:<start>`, and when its newest event was."""
        self.arguments += (
            "workflow",
            self._place(keys.workflow(partition, organization, workflow)),
            self._place(keys.workflows(partition, organization)),
            self._place(keys.changes(partition, organization, workflow)),
            now + CHANGES_SECONDS,
            CHANGES_KEPT,
            workflow,
            kind,
            newest_us,
            len(changed),
            *changed,
        )

    def renamed(self, organization_key: str) -> None:
        """Note in an organization's record that a goal of it goes by another name now."""
        self.arguments += ("renamed", self._place(organization_key))

    def letter(self, fields: Mapping[str, str | bytes]) -> None:
        """Write a dead letter."""
        self.arguments += ("letter", 2 * len(fields))
        for pair in fields.items():
            self.arguments += pair


class Applied(Struct, frozen=True):
    """What a commit came to: its revision, and how many old dead letters had to go."""

    revision: int
    letters_dropped: int


async def commit(
    client: Client,
    settings: Settings,
    ownership: Ownership,
    operations: Operations,
    *,
    entry: str,
    events: int,
    now_ms: int,
    now_text: str,
    valid_until_ms: int,
) -> Applied:
    """Apply a batch up to and including the stream entry `entry`, and move `ownership` on to it.

    Raises:
        StaleError: plan again; nothing happened.
        LeaseLostError: somebody else owns the partition now, or applied the batch; nothing happened.
        StoreUnavailableError: it may have happened or not; the cursor tells.
    """
    partition = ownership.partition
    oldest_letter_ms = now_ms - settings.keep_dead_days * 86_400_000
    with translated():
        reply: list[Any] = await _COMMIT(
            client,
            [
                keys.cursor(partition),
                keys.lease(partition),
                keys.events(partition),
                keys.dead(partition),
                *operations.keys,
            ],
            [
                ownership.worker,
                ownership.fence,
                ownership.entry,
                entry,
                _following(entry),
                ownership.records,
                valid_until_ms,
                settings.lease_ms,
                events,
                f"{max(oldest_letter_ms, 0)}-0",
                settings.dead_limit,
                now_text,
                *operations.arguments,
            ],
        )
    match reply[0]:
        case b"ok":
            ownership.entry = entry
            return Applied(int(reply[1]), int(reply[2]))
        case b"stale":
            raise StaleError
        case b"fenced" | b"moved":
            raise LeaseLostError(f"partition {partition} has another owner")
        case _:
            raise StopError(f"the commit script answered {reply!r}")


def _following(entry: str) -> str:
    """The smallest stream id after `entry`."""
    ms, _, sequence = entry.partition("-")
    return f"{int(ms) + 1}-0" if int(sequence) == 2**64 - 1 else f"{ms}-{int(sequence) + 1}"
