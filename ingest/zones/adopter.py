"""The adoption of newer rules of zones by a partition's owner, between two of its commits.

    record ─▶ is its table the newest? ─▶ decide ─▶ store the table                    (no bucket changes)
                                              └──▶ cut days again, swap them in with it (`recut.py`)

A record without a table is that of an organization from before the tables: the keys of its days tell by which offsets they were
cut, and the table of these is its first.
"""

import logging
from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from sidedata import failpoints
from sidedata.calendar.adoption import AdoptFuture, Decision, Keep, Recut, decide
from sidedata.calendar.explanation import Explanation, table_before
from sidedata.calendar.reporting import stored_rules, zone_of
from sidedata.calendar.rules import ZoneRules, release_order
from sidedata.calendar.zones import HOUR_SECONDS
from sidedata.errors import CommandRefusedError, LeaseLostError, UsageError
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership.swap import complete
from sidedata.ingest.zones.first_table import explain
from sidedata.ingest.zones.recut import RecutDays, StoredCut
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.ingest.zones.upgrade import Upgrade
from sidedata.reads.owner import OrganizationState, read_records, records_revision
from sidedata.reads.records import OrganizationRecords, read_all_records
from sidedata.reads.servers import read_time_ms
from sidedata.redis.gateway import Gateway
from sidedata.schema.values import FORMER_SECONDS, FormerCut
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership
from sidedata.writes.swap import ChangeStatus
from sidedata.writes.zones.rules import forget_former, record_releases, store_rules

_log = logging.getLogger("sidedata.worker")

_ATTEMPTS = 5
_Status = ChangeStatus | Literal["same"]  # "same": there was nothing to change


class Adopter:
    """Adopts newer rules for the organizations of one partition; the caller commits nothing meanwhile."""

    def __init__(
        self, gateway: Gateway, settings: Settings, rulebook: Rulebook, metrics: Metrics, upgrade: Upgrade
    ) -> None:
        self.rulebook = rulebook
        self._upgrade = upgrade
        self._gateway = gateway
        self._settings = settings
        self._metrics = metrics
        # Organizations that failed for good; tried again with the next comparison of all.
        self._refused: set[str] = set()
        self._stored: set[str] = set()  # the releases of the tables that the comparison under way has found

    def is_due(self, organization: str, state: OrganizationState, now: int) -> bool:
        """Tell if an organization has to get another table before more of its events are counted."""
        if organization in self._refused:
            return False
        stored = stored_rules(state.timezone, state.rules)
        try:
            if state.has_events:
                return self.rulebook.is_due(state.timezone, stored, now)
            return self.rulebook.first_rules(state.timezone, stored, now) != stored
        except UsageError:
            return False  # the record names no zone; resolving its events says so

    async def compare(self, ownership: Ownership, organizations: Iterable[str]) -> bool:
        """Compare organizations with the newest rules and adopt these; true if a record has changed.

        Raises:
            LeaseLostError: another owner came.
            StoreUnavailableError: Redis is out of reach; the partition's next owner completes what has begun.
        """
        ids = list(organizations)
        self._refused.difference_update(ids)
        now = await read_time_ms(self._gateway, ownership.keyspace) // 1000
        states, _ = await read_records(self._gateway, ownership.keyspace, ids, [])
        changed = False
        for organization, state in zip(ids, states, strict=True):
            if (stored := stored_rules(state.timezone, state.rules)) is not None:
                self._stored.add(stored.release)
            if state.former is not None:
                if state.former.until <= now:
                    await forget_former(self._gateway, ownership, organization)
                elif (rules := stored_rules(state.timezone, state.former.rules)) is not None:
                    self.rulebook.remember_before(state.timezone, rules)
            if self.is_due(organization, state, now):
                changed = await self.adopt(ownership, organization) or changed
        return changed

    async def adopt(self, ownership: Ownership, organization: str) -> bool:
        """Adopt the newest rules for an organization; true if its record has changed.

        Raises:
            LeaseLostError: another owner came.
            StoreUnavailableError: Redis is out of reach; the partition's next owner completes what has begun.
        """
        try:
            for _ in range(_ATTEMPTS):
                status = await self._adopt(ownership, organization)
                if status == "fenced":
                    raise LeaseLostError(f"partition {ownership.partition} has another owner")
                if status != "stale":
                    return status == "ok"
            _log.warning("organization %s: its record changes all the time; rules are adopted later", organization)
        except CommandRefusedError as error:
            _log.warning("organization %s: newer rules of its zone can't be adopted: %s", organization, error)
        self._refused.add(organization)
        return False

    async def _adopt(self, ownership: Ownership, organization: str) -> _Status:
        # The owner's own copies of records may be older than this revision; it drops them after an adoption.
        ownership = replace(ownership, records=await records_revision(self._gateway, ownership.keyspace))
        [state], _ = await read_records(self._gateway, ownership.keyspace, [organization], [])
        now = await read_time_ms(self._gateway, ownership.keyspace) // 1000
        stored = stored_rules(state.timezone, state.rules)
        if not state.has_events:
            rules = self.rulebook.first_rules(state.timezone, stored, now)
            if rules is None or rules == stored:
                return "same"
            return await self._store(ownership, organization, state, AdoptFuture(rules, None))
        if stored is not None and isinstance(decision := self.rulebook.decide(state.timezone, stored, now), Keep):
            return "same"
        records = await read_all_records(self._gateway, ownership.keyspace, organization)
        if stored is None:
            explained = await explain(
                self._gateway, self.rulebook, ownership.keyspace, organization, state.timezone, records, now
            )
            newest = self.rulebook.candidates(state.timezone, now)[0]
            decision = decide(explained.rules, newest, self.rulebook.retention, now, explained.doubtful)
        else:
            explained = Explanation(stored, ())
        return await self._carry_out(ownership, organization, state, records, explained, decision, now)

    async def _carry_out(
        self,
        ownership: Ownership,
        organization: str,
        state: OrganizationState,
        records: OrganizationRecords,
        explained: Explanation,
        decision: Decision,
        now: int,
    ) -> _Status:
        retention = self.rulebook.retention
        newest, *others = self.rulebook.candidates(state.timezone, now)
        stored, doubtful = explained.rules, explained.doubtful
        if state.rules is None:
            before = table_before(explained, newest, others)
            self.rulebook.remember_before(state.timezone, before)
            former: FormerCut | None = FormerCut(now + FORMER_SECONDS, before.encode())
        else:
            before, former = stored, self._upgrade.later_cut(state.former, stored, newest, now)
        while isinstance(decision, Recut):
            cut = StoredCut(zone_of(stored), doubtful, former, is_first=state.rules is None)
            recut = RecutDays(self._gateway, retention, ownership, organization, cut, decision, now)
            lacking = await recut.build(records.newest_us, records.kinds)
            if lacking is None:
                return await self._swap(ownership, organization, state, records, recut, decision)
            await recut.switch.drop()
            # Hours of that day are gone: decide as if hours were kept for less time.
            shorter = min(now - lacking, retention.hour - HOUR_SECONDS)
            retention = retention._replace(hour=max(shorter, 0))
            decision = decide(stored, newest, retention, now, doubtful)
        former = former if before.differences(newest) else None
        return await self._store(ownership, organization, state, decision, former)

    async def _swap(
        self,
        ownership: Ownership,
        organization: str,
        state: OrganizationState,
        records: OrganizationRecords,
        recut: RecutDays,
        decision: Recut,
    ) -> _Status:
        status = await recut.switch.begin(state.timezone, records.newest_us)
        if status != "ok":
            await recut.switch.drop()
            return status
        await complete(self._gateway, self._settings, ownership, recut.switch.shadow.run)
        self._record(organization, state, decision, f"{len(decision.days)} days are cut again")
        return "ok"

    async def _store(
        self,
        ownership: Ownership,
        organization: str,
        state: OrganizationState,
        decision: Decision,
        former: FormerCut | None = None,
    ) -> _Status:
        text = decision.rules.encode()
        if text == state.rules:
            return "same"
        failpoints.pass_by("before_rules")
        zone = (state.timezone, state.rules, text)
        status = await store_rules(self._gateway, ownership, organization, *zone, former)
        if status == "ok":
            failpoints.pass_by("after_rules")
            self._record(organization, state, decision, "no day changes")
        return status

    def _record(self, organization: str, state: OrganizationState, decision: Decision, days: str) -> None:
        self._metrics.adoptions.labels("cut" if isinstance(decision, Recut) else "table").inc()
        rules = decision.rules
        before = stored_rules(state.timezone, state.rules)
        seam = "no seam" if rules.since is None else f"the days before {rules.since} keep their cut"
        _log.info(
            "organization %s: rules of %s, release %s after %s: %s, %s",
            organization,
            state.timezone,
            rules.release,
            "none" if before is None else before.release,
            days,
            seam,
        )

    async def finish(self, ownership: Ownership, release: str) -> None:
        """Record that all organizations of the partition have the rules of a release or newer ones, unless some still wait."""
        stored, self._stored = self._stored, set()
        if self._refused or self.rulebook.old_workers:
            return
        now = await read_time_ms(self._gateway, ownership.keyspace) // 1000
        # Older tables have been replaced, and newer ones stay: another worker, whose machine has newer data, has stored them.
        releases = sorted((max(release, one, key=release_order) for one in stored or {release}), key=release_order)
        until = self._upgrade.finish_comparison(now)
        await record_releases(self._gateway, ownership, releases[0], releases[-1], until)

    def first_cut(self, timezone: str, rules: ZoneRules, now: int) -> FormerCut | None:
        """The cut before `rules` of an organization whose first event comes now; None where no process asks for its days."""
        return self._upgrade.cut(self.rulebook.rules_before(timezone, now), rules, now)
