"""The figures of a timeline's points and its encoded segments, kept until a bucket of theirs changes.

A timeline has up to a thousand points, and a commit changes the newest few. The figures of a point depend on the buckets of its
runs alone, so all others stay, and every timeline that has the same point shares them. The same holds for segments.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sidedata.calendar.levels import LONGEST_BUCKET_SECONDS, Level
from sidedata.calendar.tiling import Run, Span
from sidedata.service.report.points.segment import Segment

_MOST_POINTS = 5_000  # of one workflow, some 300 bytes each
_POINT_BYTES = 300
_MOST_SEGMENT_BYTES = 4 << 20  # of one workflow; a day by hours has 4 KB


class PointFigures(NamedTuple):
    """The figures of one point; a kind of workflow leaves at 0 what it does not have. `purchases` are in 1/10,000 by currency."""

    visitors: int = 0
    sessions: int = 0
    started: int = 0
    triggered: int = 0
    affected: int = 0
    purchases: tuple[tuple[str, int], ...] = ()


class EncodedSegment(NamedTuple):
    """The points of a segment as JSON, divided by commas, and a digest of them."""

    span: Span
    body: bytes
    digest: bytes


# The points of segments as JSON, divided by commas.
Encode = Callable[[Sequence[Segment]], Iterable[bytes]]


class PointCache:
    """The figures of one workflow's points, by the runs of their buckets, and its encoded segments."""

    def __init__(self) -> None:
        self._figures: dict[tuple[Run, ...], PointFigures] = {}
        self._users: dict[tuple[Level, int], set[tuple[Run, ...]]] = {}  # points by the buckets that they are made of
        self._segments: dict[str, EncodedSegment] = {}
        self._segment_bytes = 0

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return _POINT_BYTES * (len(self._figures) + len(self._segments)) + self._segment_bytes

    def get(self, runs: tuple[Run, ...]) -> PointFigures | None:
        """The figures of a point, or None."""
        return self._figures.get(runs)

    def add(self, runs: tuple[Run, ...], figures: PointFigures) -> None:
        """Keep the figures of a point."""
        if len(self._figures) >= _MOST_POINTS:
            self._figures.clear()
            self._users.clear()
        self._figures[runs] = figures
        for run in runs:
            for start in run.starts:
                self._users.setdefault((run.level, start), set()).add(runs)

    def missing(self, segments: Iterable[Segment]) -> list[Segment]:
        """The segments that have no encoded form here."""
        return [segment for segment in segments if segment.key not in self._segments]

    def encoded(self, segments: Sequence[Segment], encode: Encode) -> list[EncodedSegment]:
        """The encoded forms of segments; those that are missing are made by `encode`, and kept."""
        missing = self.missing(segments)
        for segment, body in zip(missing, encode(missing) if missing else (), strict=True):
            digest = hashlib.blake2b(body, digest_size=16).digest()
            self._segments[segment.key] = EncodedSegment(segment.span, body, digest)
            self._segment_bytes += len(body)
        encoded = [self._segments[segment.key] for segment in segments]
        if self._segment_bytes > _MOST_SEGMENT_BYTES:
            self._clear_segments()
        return encoded

    def invalidate(self, buckets: Iterable[tuple[Level, int]]) -> None:
        """Drop each point that one of the buckets is part of, and each segment that one of them overlaps."""
        changed = list(buckets)
        for bucket in changed:
            for runs in self._users.pop(bucket, ()):
                self._figures.pop(runs, None)
        spans = {(start, start + LONGEST_BUCKET_SECONDS[level]) for level, start in changed}
        if not spans or not self._segments:
            return
        earliest, latest = min(start for start, _ in spans), max(end for _, end in spans)
        for key, encoded in list(self._segments.items()):
            first, last = encoded.span
            if first < latest and earliest < last and any(first < end and start < last for start, end in spans):
                self._segment_bytes -= len(self._segments.pop(key).body)

    def clear(self) -> None:
        """Drop all points and segments."""
        self._figures.clear()
        self._users.clear()
        self._clear_segments()

    def _clear_segments(self) -> None:
        self._segments.clear()
        self._segment_bytes = 0
