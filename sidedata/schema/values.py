"""Small values that several processes write and read: their text in Redis, encoded and decoded. Pure.

sd:{p}:goal:<org>:<goal>          `<µs> <name>`: the newest event's time, a blank, the goal's name
members of sd:{p}:changes:…       `<level>:<start>`: a bucket, its start in seconds since the epoch
sd:{p}:organization:<org>         `has_events` is "1" once events were counted; the field is missing before. `recut` is
                                  `<run> <start> …` while days that are cut again are read from the shadow of that run
sd:{p}:cursor                     `ids:<generation>` is the number of ids in that generation
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from sidedata.calendar.levels import Level
from sidedata.events.decode import Kind

# The value of `has_events`; every reader tests for the field's presence, which an older version's value has too.
HAS_EVENTS: Final = "1"
_ID_COUNT: Final = "ids:"


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


def id_count_field(generation: int) -> str:
    """The field of the cursor that counts the ids of a generation."""
    return f"{_ID_COUNT}{generation}"


def id_counts(cursor: Mapping[str, str]) -> dict[int, int]:
    """The number of ids by generation, from the fields of a cursor."""
    return {int(name.removeprefix(_ID_COUNT)): int(n) for name, n in cursor.items() if name.startswith(_ID_COUNT)}


def kind_of(stored: str | None) -> Kind | None:
    """A workflow's kind as its record holds it; None where it is not fixed. Writers check it, so Redis holds no other text."""
    return cast("Kind | None", stored)
