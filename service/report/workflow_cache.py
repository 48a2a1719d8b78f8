"""The cache of one workflow, and how it stays consistent with Redis.

A `WorkflowCache` holds fields of buckets, all as of one revision of the workflow, with sketches in the form of `hyperloglog`. A
refresh is one reading: it reads the missing fields, and if the workflow has changed also the fields of open buckets (which have
not ended long ago). It brings the names of all changed buckets too, so that the cache can drop their other fields:

    request ─▶ join a refresh that starts after the request ─▶ all requirements are cached: assemble      (no await in between)
                    ▲                                          └─ else: once more
                    └── one refresh at a time for all requests on the workflow

So a thousand dashboards on one workflow cost Redis as many refreshes as it can answer one after another, and while nothing
changes each refresh reads two small hashes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import get_args

from sidedata.calendar.levels import LONGEST_BUCKET_SECONDS
from sidedata.calendar.reporting import reporting_zone
from sidedata.calendar.tiling import PartialDay, Run
from sidedata.calendar.zones import Zone
from sidedata.events.decode import Kind
from sidedata.reads.workflow_parts import Reading, newest, read
from sidedata.redis.gateway import Gateway
from sidedata.schema.bucket_fields import BucketField, FieldName
from sidedata.schema.installation import Installation
from sidedata.service.report.answer import AnswerCache
from sidedata.service.report.assemble import EdgeBuckets, EdgeFigures, Runs
from sidedata.service.report.cached_fields import cached_fields
from sidedata.service.report.plan import FIELD_NAMES, Requirements, fields_of
from sidedata.service.report.points.point_cache import PointCache
from sidedata.service.report.runs.merged_runs import SESSIONS, VISITORS, CachedField, MergedRun, MergedRuns
from sidedata.service.report.shared_refresh import SharedRefresh

# The time after its end for which a bucket counts as open: late events are rare, but they do occur.
_OPEN_SECONDS = 900
# Fields to request in one reading. Redis returns only as many as are quick to read; the next request is cut to that number.
_MOST_FIELDS = 400
_MOST_EDGES = 2_000  # of one workflow, some 1 KB each; intervals share them


class WorkflowCache:
    """One workflow as of `revision`."""

    def __init__(
        self,
        gateway: Gateway,
        installation: Installation,
        organization_id: str,
        workflow_id: str,
        most_merged_bytes: int,
    ) -> None:
        self._gateway = gateway
        self._installation = installation
        self.organization_id = organization_id
        self.workflow_id = workflow_id
        self.timezone: str | None = None  # None before the first reading
        self.rules: str | None = None  # the table of its offsets; None where the record holds none
        self.zone: Zone | None = None  # of both
        self.kind: Kind | None = None
        self.revision: int | None = None
        self.fence = 0  # of the owner that committed the revision
        self.names_revision: int | None = None
        self._is_doubtful = False
        self.epoch = 0  # grows whenever answers become stale
        self.names: dict[str, str] = {}  # of goals
        self.fields: dict[BucketField, CachedField] = {}
        self.rows: dict[str, int] = {}  # of goals' visitors by `<role>:<goal>`; their sessions have the next row
        self.answers = AnswerCache()  # as of `revision`
        self.edges: dict[Runs, EdgeFigures] = {}  # as of `revision`
        self.points = PointCache()
        self._merged = MergedRuns(self.fields, most_merged_bytes)
        self._fields_size = 0  # bytes
        self._most_fields = _MOST_FIELDS
        self._shared_refresh = SharedRefresh(self._refresh, self.clear, self.doubt)

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return self._fields_size + self._merged.size + self.points.size + self.answers.size

    def merge(self, runs: Sequence[Run], rows: range = range(SESSIONS + 1)) -> MergedRun:
        """Merge those rows of runs, whose fields must all be cached."""
        return self._merged.merge(runs, FIELD_NAMES[self._known_kind], rows)

    def estimates(self, runs: Sequence[Run]) -> tuple[list[int], Mapping[str, int]]:
        """Estimate each row of an interaction workflow over runs, whose fields must all be cached, and sum their counts."""
        return self._merged.estimates(runs, FIELD_NAMES["interaction"], self.goal_rows)

    @property
    def _known_kind(self) -> Kind:
        """The kind, which every plan, and so every requirement, rests on."""
        assert self.kind is not None  # noqa: S101 - `expect` or the first reading has set it
        return self.kind

    @property
    def goal_rows(self) -> int:
        """The number of an interaction workflow's rows: of visitors, and two for each goal and role."""
        return VISITORS + 1 + 2 * len(self.rows)

    def cached_fields(self, runs: Sequence[Run]) -> list[CachedField]:
        """The fields of runs, which must all be cached. They never change: newer data replaces them."""
        return [self.fields[field] for run in runs for field in fields_of(run, self._known_kind)]

    def edge_buckets(self, edge: PartialDay) -> EdgeBuckets:
        """The data of a partial day, whose fields must all be cached."""
        groups = (edge.runs, *((run,) for run in edge.runs if run.level == "5min"))
        visitors = [self.merge(runs).rows[: VISITORS + 1] for runs in groups]
        return EdgeBuckets(edge, self.fields[BucketField("day", edge.day.start, "counts")].counts, visitors)

    def add_edges(self, edges: Mapping[Runs, EdgeFigures]) -> None:
        """Cache figures of edges of this revision."""
        if len(self.edges) >= _MOST_EDGES:
            self.edges.clear()
        self.edges.update(edges)

    def clear(self) -> None:
        """Drop everything; the next reading starts from nothing."""
        self.epoch += 1
        self.revision = self.names_revision = self.timezone = self.rules = self.zone = None
        self.fields.clear()
        self.points.clear()
        self.answers.clear()
        self.names.clear()
        self.rows.clear()
        self.edges.clear()
        self._merged.clear()
        self._fields_size = 0

    def expect(self, kind: Kind) -> None:
        """Set the kind before the first reading, so that this one can bring all that is required."""
        self.kind = self.kind or kind

    def doubt(self) -> None:
        """Keep what was read, and compare it at the next reading: Redis may have lost commits meanwhile."""
        self._is_doubtful = True
        self.names_revision = None

    def has(self, requirements: Requirements) -> bool:
        """Tell if all requirements are cached."""
        return not self._missing(requirements)

    async def refresh(self, requirements: Requirements, now: float) -> None:
        """Join the next refresh, never one already running; it reads at most `_MOST_FIELDS` of the missing fields.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        await self._shared_refresh.join(requirements, now)

    async def _refresh(self, batch: Collection[Requirements], now: float) -> None:
        missing = dict.fromkeys(field for requirements in batch for field in self._missing(requirements))
        if not missing and await self._is_current():
            return
        recent = now - _OPEN_SECONDS
        open_fields = dict.fromkeys(field for requirements in batch for field in self._open(requirements, recent))
        fields = tuple(missing)[: self._most_fields]
        reading = await read(
            self._gateway,
            self._installation,
            self.organization_id,
            self.workflow_id,
            revision=self.revision,
            names=self.names_revision,
            missing=fields,
            open_fields=tuple(open_fields),
            goals=self.names,
        )
        self._most_fields = _MOST_FIELDS if len(reading.data) >= len(fields) else 2 * len(reading.data) + 1
        if self.revision is not None and not self._continues(reading):
            # Read again, from nothing: this reading left out what the cache had.
            self.clear()
            await self._refresh(batch, now)
            return
        self._apply(reading)

    def _missing(self, requirements: Requirements) -> list[BucketField]:
        runs = [run for run in requirements.runs if not self._merged.has(run)]
        fields = [field for run in runs for field in fields_of(run, self._known_kind)]
        # The fields of an encoded segment are cached, too: a field is dropped when its bucket changes, and its segments with it.
        fields += (field for segment in self.points.missing(requirements.segments) for field in segment.fields)
        return [field for field in (*fields, *requirements.extra) if field not in self.fields]

    def _open(self, requirements: Requirements, recent: float) -> Iterator[BucketField]:
        """The cached fields of buckets that ended after `recent`."""
        for run in requirements.runs:
            if run.starts[-1] + LONGEST_BUCKET_SECONDS[run.level] > recent:
                yield from (field for field in fields_of(run, self._known_kind) if self._is_open(field, recent))
        for segment in requirements.segments:
            if segment.span.end + LONGEST_BUCKET_SECONDS["day"] > recent:  # an edge is part of a longer bucket
                yield from (field for field in segment.fields if self._is_open(field, recent))
        yield from (field for field in requirements.extra if self._is_open(field, recent))

    def _is_open(self, field: BucketField, recent: float) -> bool:
        return field.start + LONGEST_BUCKET_SECONDS[field.level] > recent and field in self.fields

    async def _is_current(self) -> bool:
        """Tell if nothing has changed; nearly all polls need only this."""
        if self.revision is None or self._is_doubtful:
            return False
        cached = (self.timezone, self.kind, self.revision, self.names_revision)
        return await newest(self._gateway, self._installation, self.organization_id, self.workflow_id) == cached

    def _continues(self, reading: Reading) -> bool:
        """Tell if a reading tells all that changed since the revision of the cache."""
        if self.revision is None or reading.fence != self.fence:
            return False  # changes of an earlier owner may be missing: a crash or failover may have lost part of the cached data
        if (reading.timezone, reading.rules) != (self.timezone, self.rules):
            # Days may have been cut again by new rules: no answer of the old cut may be given from here on.
            return False
        # The log of changes names only the newest changes, and none after a purge or a restored backup.
        complete = reading.changes_from <= self.revision < reading.revision and bool(reading.changed)
        return reading.revision == self.revision or complete

    def _apply(self, reading: Reading) -> None:
        """Move to the revision of a reading."""
        self._is_doubtful = False
        if reading.revision != self.revision:
            for level, start in reading.changed:
                for name in get_args(FieldName):
                    self._drop(BucketField(level, start, name))
            self._merged.invalidate(reading.changed)
            self.points.invalidate(reading.changed)
        if self.zone is None or (reading.timezone, reading.rules) != (self.timezone, self.rules):
            self.timezone, self.rules = reading.timezone, reading.rules
            self.zone = reporting_zone(reading.timezone, reading.rules)
        if reading.revision != self.revision or reading.names != self.names_revision:
            self.epoch += 1
            self.answers.clear()
            self.edges.clear()
        self.kind = reading.kind
        self.revision, self.fence, self.names_revision = reading.revision, reading.fence, reading.names
        self.names.update(reading.goals)
        again = [(field.level, field.start) for field in reading.data if field in self.fields]
        self._merged.invalidate(again)
        self.points.invalidate(again)
        for field, cached in zip(reading.data, cached_fields(reading.data, self.zone, self.rows), strict=True):
            self._drop(field)
            self.fields[field] = cached
            self._fields_size += cached.size

    def _drop(self, field: BucketField) -> None:
        if field in self.fields:
            self._fields_size -= self.fields.pop(field).size
