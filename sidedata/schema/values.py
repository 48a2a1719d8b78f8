"""Small values that several processes write and read: their text in Redis, encoded and decoded. Pure.

sd:{p}:goal:<org>:<goal>          `<µs> <name>`: the newest event's time, a blank, the goal's name
members of sd:{p}:changes:…       `<level>:<start>`: a bucket, its start in seconds since the epoch
sd:{p}:organization:<org>         `has_events` is "1" once events were counted; the field is missing before. `recut` is
                                  `<run> <start> …` while days that are cut again are read from the shadow of that run.
                                  `former` is `<second> <table>`: until then days are written by that table, too
sd:{p}:cursor                     `ids:<generation>` is the position of that generation's next id, `first_id:<generation>` that of
                                  its first one (missing: 0); positions decide on layers, see `ingest/dedup/deduplicator.py`
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from sidedata.calendar.levels import Level
from sidedata.calendar.zones import DAY_SECONDS
from sidedata.events.decode import Kind

# The value of `has_events`; every reader tests for the field's presence, which an older version's value has too.
HAS_EVENTS: Final = "1"
# Processes of a version without tables go on with their own days for so long after an upgrade.
FORMER_SECONDS: Final = DAY_SECONDS
FINGERPRINT_BYTES: Final = 4  # of an id, in the fingerprints of a segment
_NEXT_ID: Final = "ids:"
_FIRST_ID: Final = "first_id:"


class GoalName(NamedTuple):
    """A goal's name, and the time in microseconds of the event that it comes from; the newest event's name is shown."""

    at_us: int
    name: str

    def encode(self) -> str:
        """The name as it is stored."""
        return f"{self.at_us} {self.name}"

    @classmethod
    def decode(cls, stored: bytes | str) -> "GoalName":
        """Read a stored name; bytes that are no UTF-8 are shown as U+FFFD."""
        text = stored if isinstance(stored, str) else stored.decode(errors="replace")
        at_us, _, name = text.partition(" ")
        return cls(int(at_us or 0), name)


class ShadowDays(NamedTuple):
    """The local days, by their starts, that readers take from the shadow of a run while they are copied to their live keys."""

    run: str
    starts: frozenset[int]

    def encode(self) -> str:
        """The days as the organization's record holds them."""
        return " ".join((self.run, *map(str, sorted(self.starts))))

    @classmethod
    def decode(cls, stored: str) -> "ShadowDays":
        """Read the field of the record; "", a missing one, names no day."""
        run, *starts = stored.split(" ")
        return cls(run, frozenset(map(int, starts)))


class FormerCut(NamedTuple):
    """The table by which an organization's days were cut before it had one, and the second until which they are written by it.

    Processes of a version without tables ask for these days.
    """

    until: int
    rules: str

    def encode(self) -> str:
        """The cut as the organization's record holds it."""
        return f"{self.until} {self.rules}"

    @classmethod
    def decode(cls, stored: str) -> "FormerCut":
        """Read the field of the record."""
        until, _, rules = stored.partition(" ")
        return cls(int(until), rules)


class ChangedBucket(NamedTuple):
    """A bucket in a workflow's log of changes."""

    level: Level
    start: int

    def encode(self) -> str:
        """The bucket as a member of the log."""
        return f"{self.level}:{self.start}"

    @classmethod
    def decode(cls, member: str) -> "ChangedBucket":
        """Read a member of the log."""
        level, _, start = member.partition(":")
        return cls(cast("Level", level), int(start))


class IdPositions(NamedTuple):
    """The positions of the ids of a generation: the first one's, and the next one's."""

    first: int
    next: int

    @property
    def number(self) -> int:
        """The number of ids in the generation."""
        return self.next - self.first


def id_fields(generation: int) -> tuple[str, str]:
    """The fields of the cursor with the positions of a generation's first id and of its next one."""
    return f"{_FIRST_ID}{generation}", f"{_NEXT_ID}{generation}"


def id_positions(cursor: Mapping[str, str]) -> dict[int, IdPositions]:
    """The positions of ids by generation, from the fields of a cursor."""
    return {
        int(generation): IdPositions(int(cursor.get(f"{_FIRST_ID}{generation}", 0)), int(position))
        for name, position in cursor.items()
        if name.startswith(_NEXT_ID) and (generation := name.removeprefix(_NEXT_ID))
    }


def kind_of(stored: str | None) -> Kind | None:
    """A workflow's kind as its record holds it; None where it is not fixed. Writers check it, so Redis holds no other text."""
    return cast("Kind | None", stored)
