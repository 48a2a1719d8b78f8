"""Warnings about events that are taken and that a worker will make dead letters of, as far as that is known at once.

Too old or in the future by this machine's clock, or of another kind than the one that their workflow has. The worker judges by
Redis's clock when it applies them, so a warning is likely and not certain; an hour that is sealed shows only there.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import oldest_kept_us, reporting_zone
from sidedata.calendar.zones import zone
from sidedata.errors import CommandRefusedError, UsageError
from sidedata.events.decode import AHEAD_US, KIND_OF, Event, Kind, decode_event
from sidedata.events.rejection import IN_FUTURE, TOO_OLD, Rejection, kind_mismatch
from sidedata.events.wire import EventType
from sidedata.reads.records import read_kinds, read_organization
from sidedata.service.http.problems import MOST_FIELD_ERRORS
from sidedata.service.http.state import Backend

_DAY_SECONDS: Final = 86_400
_MAX_KINDS: Final = 10_000
_KIND_SECONDS: Final = 5.0  # a kind is fixed, but a purge frees it


class EventWarning(Struct, frozen=True):
    """An event that will become a dead letter: a pointer to its field, the letter's reason, a sentence."""

    pointer: str
    reason: str
    detail: str


class BatchFacts(Struct, frozen=True):
    """The facts of a batch that warnings depend on: workflows with types of their events, and the range of its times."""

    workflows: set[tuple[str | None, EventType]]
    oldest_us: int
    newest_us: int


class KindCache:
    """The fixed kinds of workflows, kept for a few seconds, so that most requests need no look-up."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._kinds: dict[tuple[str, str], tuple[Kind, float]] = {}

    async def get(self, organization: str, workflows: set[str]) -> dict[str, Kind]:
        """The kinds of those workflows that have one.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        now = self._backend.clock.now()
        kinds: dict[str, Kind] = {}
        for workflow in workflows:
            kind, at = self._kinds.get((organization, workflow), (None, 0.0))
            if kind is not None and 0 <= now - at < _KIND_SECONDS:
                kinds[workflow] = kind
        missing = workflows - kinds.keys()
        return kinds | await self.read(organization, missing) if missing else kinds

    async def read(self, organization: str, workflows: set[str]) -> dict[str, Kind]:
        """The kinds that those workflows have now, which are kept.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        keyspace, now = self._backend.installation.keyspace_of(organization), self._backend.clock.now()
        kinds = await read_kinds(self._backend.gateway, keyspace, organization, sorted(workflows))
        for workflow in workflows - kinds.keys():
            self._kinds.pop((organization, workflow), None)
        if len(self._kinds) + len(kinds) > _MAX_KINDS:
            self._kinds.clear()
        self._kinds.update(((organization, workflow), (kind, now)) for workflow, kind in kinds.items())
        return kinds


async def warnings(
    backend: Backend, kinds: KindCache, organization: str, raws: Sequence[bytes], facts: BatchFacts
) -> list[EventWarning] | None:
    """The first warnings about a batch of valid events, in order; None if there are none, or if this account may not look.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    now = backend.clock.now()
    workflows = {workflow for workflow, _ in facts.workflows if workflow}
    try:
        fixed = await kinds.get(organization, workflows)
        if not _all_fit(fixed, facts):
            # A purge may have freed a kind that is kept here: no event is named that will be applied.
            fixed = await kinds.read(organization, workflows)
        expired_us = await _expired_before(backend, organization, facts, now)
    except CommandRefusedError:
        return None
    latest_us = int(now * 1_000_000) + AHEAD_US
    in_time = expired_us <= facts.oldest_us and facts.newest_us <= latest_us
    if in_time and _all_fit(fixed, facts):
        return None  # nearly all batches
    event_warnings: list[EventWarning] = []
    for index, raw in enumerate(raws):
        event = decode_event(raw, organization)
        warning = _warning(event, fixed, expired_us, latest_us) if isinstance(event, Event) else None
        if warning is not None:
            event_warnings.append(EventWarning(f"/{index}{warning.pointer}", warning.reason, warning.detail))
            if len(event_warnings) == MOST_FIELD_ERRORS:
                break
    return event_warnings or None


def _all_fit(kinds: dict[str, Kind], facts: BatchFacts) -> bool:
    """Tell if all events may belong to their workflows, as far as the kinds of these are known."""
    return all(kinds.get(workflow or "", KIND_OF[kind]) == KIND_OF[kind] for workflow, kind in facts.workflows)


def _warning(event: Event, kinds: dict[str, Kind], expired_us: int, latest_us: int) -> Rejection | None:
    if "timestamp" not in event.defaults:
        if event.at_us > latest_us:
            return IN_FUTURE
        if event.at_us < expired_us:
            return TOO_OLD
    kind = kinds.get(event.workflow_id or "")
    if kind is not None and kind != event.kind:
        return kind_mismatch(event.type, event.kind, kind)
    return None


async def _expired_before(backend: Backend, organization: str, facts: BatchFacts, now: float) -> int:
    """The instant before which local days are kept no more, in microseconds since the epoch."""
    retention = Retention.of(backend.settings)
    limit = int(now) - retention.day
    if facts.oldest_us // 1_000_000 > limit:
        return -(1 << 62)  # nothing is so old: no need to know the zone
    keyspace = backend.installation.keyspace_of(organization)
    record = await read_organization(backend.gateway, keyspace, organization)
    try:
        reporting = zone("UTC") if record is None else reporting_zone(record.timezone, record.zone_rules)
        return oldest_kept_us(reporting, now, retention)
    except (UsageError, ValueError, OverflowError):
        return (limit - _DAY_SECONDS) * 1_000_000
