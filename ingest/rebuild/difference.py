"""The differences that a rebuild makes: figures of each workflow, as stored and as rebuilt.

The figures are sums over the local days within retention. Every bucket of every level is compared too, because a day may be right
and its hours wrong. Unique counts are the estimates that answers are made of.
"""

from collections.abc import Collection, Mapping

from msgspec import Struct, field

from sidedata.batched import batched
from sidedata.calendar.levels import Level
from sidedata.ingest.rebuild.expiry import Expiries
from sidedata.reads.keys.organization import bucket_values, merged_estimate
from sidedata.redis.gateway import Gateway
from sidedata.schema import counts
from sidedata.schema.key_names import parse_within
from sidedata.schema.keys import Keyspace

_PAGE = 250
_Bucket = tuple[Level | None, int | None]  # level and start


class Figures(Struct):
    """A workflow's figures over all days; money in 1/10,000, by currency; the newest event in microseconds, 0 for none."""

    visitors: int = 0
    sessions: int = 0
    started: int = 0
    triggered: int = 0
    affected: int = 0
    purchases: dict[str, int] = field(default_factory=dict)
    newest_us: int = 0

    def add(self, fields: Mapping[str, int]) -> None:
        """Add the counts of a day."""
        day = counts.decode(fields)
        self.started += day.started
        self.triggered += sum(day.triggered.values())
        self.affected += sum(day.affected.values())
        for currency, units in day.purchases.items():
            self.purchases[currency] = self.purchases.get(currency, 0) + units


class Difference(Struct):
    """A workflow before and after the rebuild; `differing` of its `buckets` are not equal."""

    workflow: str
    kind: str
    stored: Figures = field(default_factory=Figures)
    rebuilt: Figures = field(default_factory=Figures)
    buckets: int = 0
    differing: int = 0


async def differences(
    gateway: Gateway, shadow: Keyspace, kinds: Mapping[str, str], names: Collection[str], expiries: Expiries
) -> list[Difference]:
    """Compare the buckets of workflows, given with their kinds.

    Args:
        names: of keys, without the prefix of live keys or of the shadow's. Skipped are keys of no bucket, and keys past their
            retention, because no answer is made of them any more.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    live = shadow.live
    comparison = _Comparison(kinds)
    for page in batched((name for name in sorted(names) if expiries.keeps(name)), _PAGE):
        stored_values = await bucket_values(gateway, live, page)
        rebuilt_values = await bucket_values(gateway, shadow, page)
        for name, stored, rebuilt in zip(page, stored_values, rebuilt_values, strict=True):
            comparison.compare(name, stored, rebuilt)
    for (workflow, sketch), days in comparison.day_sketches.items():
        difference = comparison.workflows[workflow]
        for figures, keyspace in ((difference.stored, live), (difference.rebuilt, shadow)):
            setattr(figures, sketch, await merged_estimate(gateway, keyspace, days))
    return comparison.differences()


class _Comparison:
    """The buckets that were compared so far, by workflow."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.workflows = {workflow: Difference(workflow, kind) for workflow, kind in kinds.items()}
        self.day_sketches: dict[tuple[str, str], list[str]] = {}  # keys by workflow and "visitors" or "sessions"
        self._buckets: dict[str, set[_Bucket]] = {workflow: set() for workflow in kinds}
        self._differing: dict[str, set[_Bucket]] = {workflow: set() for workflow in kinds}

    def compare(self, name: str, stored: int | dict[str, int], rebuilt: int | dict[str, int]) -> None:
        """Compare the two values of a key."""
        parsed = parse_within(name)
        if parsed is None or parsed.workflow is None or parsed.workflow not in self.workflows:
            return  # no record, so no answer shows it
        workflow, bucket = parsed.workflow, (parsed.level, parsed.start)
        difference = self.workflows[workflow]
        self._buckets[workflow].add(bucket)
        if stored != rebuilt:
            self._differing[workflow].add(bucket)
        if parsed.level != "day":
            return
        if isinstance(stored, dict) and isinstance(rebuilt, dict):
            difference.stored.add(stored)
            difference.rebuilt.add(rebuilt)
        elif parsed.goal is None:
            self.day_sketches.setdefault((workflow, parsed.kind), []).append(name)

    def differences(self) -> list[Difference]:
        """The differences of all workflows."""
        for workflow, difference in self.workflows.items():
            difference.buckets, difference.differing = len(self._buckets[workflow]), len(self._differing[workflow])
        return list(self.workflows.values())
