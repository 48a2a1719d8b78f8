"""The fields of a bucket that readers ask for, and what they get. Pure."""

from typing import Literal, NamedTuple

from sidedata.calendar.levels import Level

FieldName = Literal["visitors", "sessions", "counts", "goals"]


class BucketField(NamedTuple):
    """One thing stored of a bucket: a sketch, its counts, or (`goals`) its counts with the sketches of every goal in them."""

    level: Level
    start: int
    name: FieldName


class Goals(NamedTuple):
    """A bucket's counts, and the sketches of visitors and sessions by `<role>:<goal>`."""

    counts: dict[str, int]
    sketches: dict[str, tuple[bytes | None, bytes | None]]


Data = bytes | dict[str, int] | Goals | None
