"""Segments: the parts of a timeline that many timelines share, such as all hours of a day. Pure data.

Two timelines over nearly the same interval differ in their first and last segments alone. So figures and encoded points are cached
by segment, and a new interval costs what its edges cost.
"""

from typing import NamedTuple

from msgspec import Struct

from sidedata.calendar.tiling import PartialDay, Run, Span
from sidedata.schema.bucket_fields import BucketField


class HourOfDay(NamedTuple):
    """A whole local hour, whose visitors are a field of its day's counts."""

    day_start: int
    field: str


class Point(NamedTuple):
    """A point: its span as text, and its buckets; none where it lies in the future.

    `hour` is there if it is a whole local hour, `days` and `edges` if it is made of days: starts of whole days, and partial days.
    """

    start: str
    end: str
    runs: tuple[Run, ...]
    hour: HourOfDay | None = None
    days: tuple[int, ...] = ()
    edges: tuple[PartialDay, ...] = ()

    @property
    def is_stored(self) -> bool:
        """Tell if the visitors of page navigation are among stored counts, so that no estimate is needed."""
        return self.hour is not None or (len(self.days) == 1 and not self.edges)


class Segment(Struct, frozen=True):
    """Adjacent points, and the fields that they are made of; `key` tells the segments of a workflow apart."""

    key: str  # text, because it keeps its hash
    span: Span
    points: tuple[Point, ...]
    fields: tuple[BucketField, ...]
