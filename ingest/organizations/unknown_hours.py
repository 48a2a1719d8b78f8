"""The hours of pages whose state a batch has to look up. Pure."""

from collections.abc import Sequence

from sidedata.calendar.slots import Slot
from sidedata.ingest.organizations.organization import OpenHour, Workflow
from sidedata.schema.counts import HourQuery, hour_field
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_VISITORS


class UnknownHours:
    """Hours by workflow and local day: the counts of a day tell which of its hours may be sealed, in one command."""

    def __init__(self) -> None:
        self._days: dict[tuple[Workflow, int], dict[int, Slot]] = {}  # by the hour's start

    def add(self, workflow: Workflow, slot: Slot) -> None:
        """Add the hour of a slot."""
        key = workflow, slot.day.start
        hours = self._days.get(key)
        if hours is None:
            hours = self._days[key] = {}
        hours[slot.hour.start] = slot

    def queries(self) -> list[HourQuery]:
        """The queries, one a day."""
        return [_query(workflow, list(hours.values())) for (workflow, _), hours in self._days.items()]

    def record(self, ttls: Sequence[int | None], now_ms: int) -> int:
        """Record the replies of Redis at `now_ms`; returns the number of hours that their workflows did not have."""
        hours = [(workflow.hours, start) for (workflow, _), starts in self._days.items() for start in starts]
        new = 0
        for (known, start), ttl_ms in zip(hours, ttls, strict=True):
            new += start not in known
            known[start] = OpenHour.of_sketch(ttl_ms, now_ms)
        return new


def _query(workflow: Workflow, slots: Sequence[Slot]) -> HourQuery:
    counts = f"{workflow.bucket_prefix('day', slots[0].day.start)}{BUCKET_COUNTS}"
    fields = [hour_field(slot.hour.index, slot.hour.offset) for slot in slots]
    sketches = [f"{workflow.bucket_prefix('hour', slot.hour.start)}{BUCKET_VISITORS}" for slot in slots]
    return counts, fields, sketches
