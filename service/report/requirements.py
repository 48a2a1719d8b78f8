"""The stored fields that an answer is made of. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from sidedata.calendar.levels import Level
from sidedata.calendar.tiling import Run, Tiling
from sidedata.reads.workflow_parts import BucketField, FieldName

_SKETCHES: Final[tuple[FieldName, ...]] = ("visitors", "sessions")
_WITH_GOALS: Final[tuple[FieldName, ...]] = ("visitors", "goals")
# The fields of a bucket, by the workflow's kind and the bucket's level.
FIELD_NAMES: Final[Mapping[str, Mapping[Level, tuple[FieldName, ...]]]] = {
    "page_navigation": {"5min": _SKETCHES, "hour": _SKETCHES, "day": (*_SKETCHES, "counts")},
    "interaction": dict.fromkeys(("5min", "hour", "day"), _WITH_GOALS),
}


class Requirements(NamedTuple):
    """The data that an answer needs: runs of buckets with all of their fields, and single fields beside them."""

    runs: tuple[Run, ...] = ()
    extra: tuple[BucketField, ...] = ()


def requirements(tiling: Tiling, kind: str) -> Requirements:
    """All fields that an answer over a tiling needs, for a workflow of that kind."""
    if kind == "interaction":
        return Requirements(tiling.runs)
    # Of a partial day only the counts of its hours are read.
    return Requirements(tiling.runs, tuple(BucketField("day", edge.day.start, "counts") for edge in tiling.edges))


@lru_cache(maxsize=4096)
def fields_of(run: Run, kind: str) -> tuple[BucketField, ...]:
    """All fields of a run's buckets."""
    return tuple(BucketField(run.level, start, name) for start in run.starts for name in FIELD_NAMES[kind][run.level])
