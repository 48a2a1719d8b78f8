"""The contract once more, by brute force: every event is kept, every question walks over all of them.

Nothing here is clever and nothing is shared with the code under test, so that both are wrong in the same way only by
accident. Zones are walked minute by minute; a local hour is a label (date, hour, offset) and a local day is a date.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.oracle.event import PAGE_TYPES, Applied, BadEventError, Text, read_event, refuse
from tests.support.oracle.local_time import day_around, hour_around, local_date, local_hour

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PURCHASED = "System: Visitor purchased"


class BadIntervalError(Exception):
    """An interval that the service refuses with a 400."""


class UnknownWorkflowError(Exception):
    """A workflow that the service answers with a 404."""


@dataclass(frozen=True)
class Kept:
    """The retention of buckets."""

    fine: timedelta = timedelta(hours=48)
    hour: timedelta = timedelta(days=35)
    day: timedelta = timedelta(days=400)


@dataclass
class Oracle:
    """All events in order of arrival, and what the contract says about them."""

    zones: dict[str, str] = field(default_factory=dict)
    rules: Callable[[str], tzinfo] = ZoneInfo  # the same object for the same name
    kinds: dict[tuple[str, str], str] = field(default_factory=dict)  # registrations, and first events
    partitions: int = 16
    kept: Kept = field(default_factory=Kept)
    affect: timedelta = timedelta(hours=24)
    events: list[Applied] = field(default_factory=list)
    dead: list[tuple[str, bytes]] = field(default_factory=list)  # reason, bytes as they came
    duplicates: int = 0
    _ids: set[tuple[str, str, str]] = field(default_factory=set)

    def arrive(self, raw: bytes, *, partition: int, entry_ms: int, entry: str, now: datetime) -> None:
        """One event, in the order of the streams; `entry` is the entry's id and the position in its batch."""
        try:
            event, given = self._judge(raw, partition)
            key = (event.organization, "given", given) if given is not None else (event.organization, "entry", entry)
            if key in self._ids:
                self.duplicates += 1
                return
            self._admit(event, entry_ms, now)
        except BadEventError as error:
            self.dead.append((str(error), raw))
            return
        self._ids.add(key)
        self.events.append(event)

    def _admit(self, event: Applied, entry_ms: int, now: datetime) -> None:
        if event.at > EPOCH + timedelta(milliseconds=entry_ms) + timedelta(minutes=5):
            raise BadEventError("in_future")
        zone = self.zone(event.organization)
        if local_date(event.at, zone) < local_date(now - self.kept.day, zone):
            raise BadEventError("too_old")
        if event.workflow is not None:
            kind = "page_navigation" if event.type in PAGE_TYPES else "interaction"
            if self.kinds.setdefault((event.organization, event.workflow), kind) != kind:
                raise BadEventError("workflow_kind_mismatch")

    def _judge(self, raw: bytes, partition: int) -> tuple[Applied, str | None]:
        if len(raw.strip(b" \t\r\n")) > 16 * 1024:
            raise BadEventError("too_large")
        try:
            value = json.loads(raw.decode(), parse_float=Text, parse_int=Text, parse_constant=refuse)
        except ValueError:
            raise BadEventError("invalid_json") from None
        event, given = read_event(value)
        if zlib.crc32(event.organization.encode()) % self.partitions != partition:
            raise BadEventError("wrong_partition")
        return event, given

    def zone(self, organization: str) -> tzinfo:
        """The reporting time zone."""
        return self.rules(self.zones.get(organization, "UTC"))

    def effective(self, organization: str, start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
        """The interval, widened outward; naive date-times are local."""
        zone = self.zone(organization)
        start, end = (moment if moment.tzinfo else moment.replace(tzinfo=zone) for moment in (start, end))
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        if end <= start or end - start > timedelta(hours=400 * 24):
            raise BadIntervalError("order or span")
        oldest, _ = day_around(now - self.kept.day, zone)
        if end <= oldest:
            raise BadIntervalError("before the oldest day")
        lower, _ = self._edges(start, now - start, zone)
        _, upper = self._edges(end - MICROSECOND, now - end, zone)
        return max(lower, oldest), upper

    def _edges(self, inside: datetime, age: timedelta, zone: tzinfo) -> tuple[datetime, datetime]:
        if age <= self.kept.fine:
            fine = EPOCH + (inside - EPOCH) // timedelta(minutes=5) * timedelta(minutes=5)
            return fine, fine + timedelta(minutes=5)
        if age <= self.kept.hour:
            return hour_around(inside, zone)
        return day_around(inside, zone)

    def answer(
        self, organization: str, workflow: str, start: datetime, end: datetime, now: datetime
    ) -> tuple[dict[str, Any], str]:
        """The JSON answer, money as `Decimal`, and the effective interval as the header has it."""
        kind = self.kinds.get((organization, workflow))
        if kind is None:
            raise UnknownWorkflowError
        lower, upper = self.effective(organization, start, end, now)
        zone = self.zone(organization)
        header = f"{lower.astimezone(zone).isoformat()}/{upper.astimezone(zone).isoformat()}"
        inside = [e for e in self.events if e.organization == organization and lower <= e.at < upper]
        if kind == "page_navigation":
            return self._page_navigation([e for e in inside if e.workflow == workflow], lower, upper, zone), header
        return self._interaction(organization, workflow, inside), header

    def _page_navigation(self, views: list[Applied], lower: datetime, upper: datetime, zone: tzinfo) -> dict[str, Any]:
        hours: dict[tuple[date, int, int], set[str]] = defaultdict(set)
        days: dict[date, set[str]] = defaultdict(set)
        for view in views:
            hours[local_hour(view.at, zone)].add(view.visitor)
            days[local_date(view.at, zone)].add(view.visitor)
        hour_in_day = [[sum(len(seen) for h, seen in hours.items() if h[1] == i), i] for i in range(24)]
        weekdays = [[sum(len(seen) for d, seen in days.items() if d.isoweekday() == i), i] for i in range(1, 8)]
        several = local_date(lower, zone) != local_date(upper - MICROSECOND, zone)
        stat = {"day_in_week": weekdays, "hour_in_day": hour_in_day} if several else {"hour_in_day": hour_in_day}
        return {"timeframe_stat": stat, **_uniques(views)}

    def _interaction(self, organization: str, workflow: str, inside: list[Applied]) -> dict[str, Any]:
        own = [e for e in inside if e.workflow == workflow]
        touches = [
            e for e in self.events if (e.organization, e.workflow, e.type) == (organization, workflow, "interaction")
        ]
        affected = [
            goal
            for goal in inside
            if goal.type == "goal_reached"
            and any(t.visitor == goal.visitor and goal.at - self.affect <= t.at <= goal.at for t in touches)
        ]
        sums: dict[str, Decimal] = {}
        for goal in affected:
            if goal.goal_name == PURCHASED and goal.value is not None and goal.currency is not None:
                sums[goal.currency] = sums.get(goal.currency, Decimal(0)) + goal.value
        return {
            "unique_visitors_count": _uniques(own)["unique_visitors_count"],
            "started_workflows_count": sum(e.type == "workflow_started" for e in own),
            "visitor_purchase_sums": [{"value": sums[code], "currency": code} for code in sorted(sums)],
            "triggered_goals": self._goals(organization, [e for e in own if e.type == "goal_triggered"]),
            "affected_goals": self._goals(organization, affected),
        }

    def _goals(self, organization: str, events: list[Applied]) -> list[dict[str, Any]]:
        rows = []
        for goal in {e.goal for e in events}:
            those = [e for e in events if e.goal == goal]
            named = [(e.at, e.goal_name) for e in self.events if (e.organization, e.goal) == (organization, goal)]
            metrics = {"events_count": len(those), **_uniques(those)}
            rows.append({"uuid": goal, "name": max(named)[1], "metrics": metrics})
        return sorted(rows, key=lambda row: (-row["metrics"]["events_count"], row["uuid"]))


def _uniques(events: list[Applied]) -> dict[str, int]:
    return {
        "unique_visitors_count": len({e.visitor for e in events}),
        "unique_sessions_count": len({e.session for e in events}),
    }
