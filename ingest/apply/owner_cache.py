"""The cache of a partition's owner: organizations, workflows, goals, and the expiries that Redis has.

Only the owner writes all of it, except the records of organizations and workflows: each change of such a record increments the
cursor's `records`, and a commit that was planned on older ones is refused. So copies are cached from batch to batch, and only
records that are new to the owner are read.

    StreamEvents ─▶ resolve ─▶ BatchQueries ─▶ look_up ─▶ BatchLookups ─▶ (planned and committed) ─▶ apply
"""

from collections.abc import Iterable, Sequence

from sidedata.calendar.reporting import stored_rules, zone_of
from sidedata.calendar.zones import DAY_SECONDS, zone
from sidedata.errors import StopError, UsageError
from sidedata.events.hashing import Hasher
from sidedata.ingest.apply.model import BatchLookups, BatchQueries, Plan, StreamEvent, resolve_cached
from sidedata.ingest.organizations.organization import Organization
from sidedata.ingest.zones.adopter import Adopter
from sidedata.reads.owner import Lookups, OrganizationState, look_up, read_records
from sidedata.redis.gateway import Gateway
from sidedata.schema.counts import HourQuery
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import GoalName
from sidedata.settings import Settings

# Bounds of one partition's cache, at some 100 bytes each: hashes of ids, ids in finest buckets ...
_MOST_IDS = 200_000
_MOST_RECORDS = 50_000  # ... organizations, workflows and hours, names of goals, expiries
_MOST_BUCKETS = 10_000  # at some 1,000 bytes each
_EARLIEST_SECOND = -62_135_000_000  # early in year 1; zones have no earlier offsets


class OwnerCache:
    """The cache of one partition's owner.

    Args:
        adopter: names the organizations that need newer rules of their zone; None where all cut by the rules that they have.
    """

    def __init__(
        self, gateway: Gateway, settings: Settings, keyspace: Keyspace, adopter: Adopter | None = None
    ) -> None:
        self._gateway = gateway
        self._keyspace = keyspace
        self._oldest_seconds = (settings.keep_day_days + 2) * DAY_SECONDS
        self._hasher = Hasher(settings.secret)
        self._adopter = adopter
        self.due: dict[str, None] = {}  # organizations with events that need newer rules before the next commit
        self.known_expiries: dict[str, int] = {}  # by key, the expiries that this owner's commits have set
        self._organizations: dict[str, Organization] = {}
        self._goals: dict[str, tuple[int, str]] = {}
        self.epoch = 0  # grows when the records are dropped; events that were resolved before must be resolved again
        self._now_ms = 0
        self._records = 0  # number of organizations, workflows and hours
        self._members = 0  # number of ids in finest buckets
        self._buckets = 0  # number of buckets

    async def resolve(self, events: Sequence[StreamEvent]) -> BatchQueries:
        """Resolve events: hash their ids, and find their organization, their workflow and their slot.

        Returns the queries for the state that they are planned on.

        Raises:
            StopError: an organization's record names an unknown time zone.
            StoreUnavailableError: Redis is out of reach.
        """
        # This may run ahead of a commit, which drops the records if it finds that they changed: then half of them are missing.
        while True:
            epoch = self.epoch
            missing = self._resolve_cached(events)
            while missing:
                await self._load({(event.organization_id, event.workflow_id) for event in missing})
                missing = self._resolve_cached(missing)
            if epoch == self.epoch:
                queries = BatchQueries()
                queries.add(events, self._keyspace, self._now_ms)
                return queries

    def _resolve_cached(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        oldest_us = 1_000_000 * max(self._now_ms // 1000 - self._oldest_seconds, _EARLIEST_SECOND)
        return resolve_cached(events, self._organizations, oldest_us)

    async def _load(self, pairs: Iterable[tuple[str, str | None]]) -> None:
        """Load the organizations and workflows that are not cached."""
        epoch = self.epoch
        organizations, workflows = self._missing(pairs)
        if not organizations and not workflows:
            return
        records, kinds = await read_records(self._gateway, self._keyspace, organizations, workflows)
        now_ms = (await self._query()).now_ms
        if epoch != self.epoch:
            return  # the caller sees it too
        for organization_id, record in zip(organizations, records, strict=True):
            self._organizations[organization_id] = self._organization(organization_id, record, now_ms)
        for (organization_id, workflow_id), kind in zip(workflows, kinds, strict=True):
            workflow = self._organizations[organization_id].workflow(workflow_id)
            workflow.kind, workflow.is_loaded = kind, True
        self._records += len(organizations) + len(workflows)

    def _missing(self, pairs: Iterable[tuple[str, str | None]]) -> tuple[list[str], list[tuple[str, str]]]:
        """The organizations and workflows that are not cached."""
        organizations: dict[str, None] = {}
        workflows: list[tuple[str, str]] = []
        for organization_id, workflow_id in pairs:
            organization = self._organizations.get(organization_id)
            if organization is None:
                organizations[organization_id] = None
            if workflow_id is not None:
                workflow = None if organization is None else organization.workflows.get(workflow_id)
                if workflow is None or not workflow.is_loaded:
                    workflows.append((organization_id, workflow_id))
        return list(organizations), workflows

    def _organization(self, organization_id: str, record: OrganizationState, now_ms: int) -> Organization:
        rules, former, now = stored_rules(record.timezone, record.rules), record.former, now_ms // 1000
        try:
            if self._adopter is not None:
                if not record.has_events:
                    rules = self._adopter.rulebook.first_rules(record.timezone, rules, now)
                    former = None if rules is None else self._adopter.first_cut(record.timezone, rules, now)
                elif self._adopter.is_due(organization_id, record, now):
                    self.due[organization_id] = None
            reporting = zone(record.timezone) if rules is None else zone_of(rules)
        except UsageError as error:
            raise StopError(f"the record of organization {organization_id}: {error}") from error
        return Organization(
            organization_id,
            self._keyspace,
            reporting,
            None if rules is None else rules.encode(),
            now_ms if record.id_epoch_ms is None else record.id_epoch_ms,
            self._hasher,
            has_events=record.has_events,
            former=former,
        )

    async def look_up(self, queries: BatchQueries, id_queries: Sequence[str | int]) -> BatchLookups:
        """Read the state that a batch is planned on, and Redis's time; `id_queries` come from the deduplicator.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        visitors, hours = queries.visitors, queries.hours
        unnamed = [key for key in queries.goals if key not in self._goals]
        lookups = await self._query(id_queries, list(visitors), hours.queries(), unnamed)
        self._records += hours.record(lookups.hours, lookups.now_ms)
        for key, record in zip(unnamed, lookups.goals, strict=True):
            if record:
                self._goals[key] = GoalName.decode(record)
        states = dict(zip(visitors, lookups.visitors, strict=True))
        return BatchLookups(lookups.now_ms, lookups.applied_ids, states, self._goals)

    async def _query(
        self,
        id_queries: Sequence[str | int] = (),
        visitors: Sequence[str] = (),
        hours: Sequence[HourQuery] = (),
        goals: Sequence[str] = (),
    ) -> Lookups:
        lookups = await look_up(self._gateway, self._keyspace, id_queries, visitors, hours, goals)
        self._now_ms = lookups.now_ms
        return lookups

    def apply(self, plan: Plan) -> None:
        """Update the cache by a plan that was committed."""
        for organization in plan.organizations:
            organization.has_events = True
        for workflow, kind in plan.kinds.items():
            workflow.kind, workflow.is_loaded = kind, True
        for workflow, start, hour in plan.open_hours:
            workflow.hours[start] = hour
        for bucket, visitors, sessions in plan.new_members:
            bucket.visitors |= visitors
            bucket.sessions |= sessions
            self._members += len(visitors) + len(sessions)
        for workflow, log_size in plan.log_sizes.items():
            workflow.log_size = log_size
        self._goals |= plan.goals
        self.known_expiries |= plan.operations.new_expiries
        self._buckets += plan.new_buckets
        self._evict()

    def _evict(self) -> None:
        """Drop caches that have grown past their bound; their content is read, computed or sent again when it is needed."""
        if len(self._goals) > _MOST_RECORDS:
            self._goals.clear()
        if self._records > _MOST_RECORDS:
            self.drop_records()
        # Buckets go with the expiries: an event that adds no id to them lengthens keys with a known expiry only.
        sizes = (len(self.known_expiries), _MOST_RECORDS), (self._members, _MOST_IDS), (self._buckets, _MOST_BUCKETS)
        if any(size > most for size, most in sizes):
            self.known_expiries.clear()
            self._members = self._buckets = 0
            for organization in self._organizations.values():
                organization.forget_buckets()
        if self._hasher.cached > _MOST_IDS:
            self._hasher.cached = 0
            for organization in self._organizations.values():
                organization.forget_hashes()

    def drop_records(self) -> None:
        """Drop all records, because one has changed or an hour may have been sealed; they are read again."""
        self.epoch += 1
        self.due.clear()
        self._organizations.clear()
        self.known_expiries.clear()
        self._records = self._members = self._buckets = self._hasher.cached = 0
