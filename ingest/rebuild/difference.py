"""What a rebuild changes: figures of each workflow, as they are stored and as they were rebuilt.

Sums are those of the local days that are kept; every bucket of every level is compared too, because a day may be right and its
hours wrong. Unique counts are the estimates that answers are made of.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from sidedata.events.money import joined
from sidedata.ingest.rebuild.expiry import Lives
from sidedata.redis.client import Client, translated
from sidedata.schema import keys

_PAGE = 250


class Figures(Struct):
    """A workflow's figures over all days; money in 1/10,000, by currency; the newest event in microseconds, 0 for none."""

    visitors: int = 0
    sessions: int = 0
    started: int = 0
    triggered: int = 0
    affected: int = 0
    purchases: dict[str, int] = field(default_factory=dict)
    newest_us: int = 0

    def add(self, counts: Mapping[str, int]) -> None:
        """Take in a day's counts."""
        for name, value in counts.items():
            what, _, rest = name.partition(":")
            if what == "started":
                self.started += value
            elif what == "triggered":
                self.triggered += value
            elif what == "affected":
                self.affected += value
            elif what == "purchases":
                currency, _, part = rest.partition(":")
                units = joined(value, 0) if part == "high" else value
                self.purchases[currency] = self.purchases.get(currency, 0) + units


class Difference(Struct):
    """A workflow before and after; `buckets` were compared, and so many of them are not the same."""

    workflow: str
    kind: str
    stored: Figures = field(default_factory=Figures)
    rebuilt: Figures = field(default_factory=Figures)
    buckets: int = 0
    differing: int = 0


async def differences(
    client: Client, shadow: keys.Shadow, kinds: Mapping[str, str], names: Collection[str], lives: Lives
) -> list[Difference]:
    """Compare buckets, named without what live keys or those of the shadow begin with, of workflows of these kinds.

    What has outlived its retention is left out: it is not read any more.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    comparison = _Comparison(kinds, lives)
    for page in _pages(name for name in sorted(names) if lives.read(name)):
        for name, (stored, rebuilt) in zip(page, await _values(client, page, shadow), strict=True):
            comparison.take(name, stored, rebuilt)
    for (workflow, what), days in comparison.sketches.items():
        figures = comparison.found[workflow]
        with translated():
            stored = await client.pfcount(*(keys.prefix(int(shadow)) + name for name in days))
            rebuilt = await client.pfcount(*(keys.prefix(shadow) + name for name in days))
        setattr(figures.stored, what, int(stored))
        setattr(figures.rebuilt, what, int(rebuilt))
    return comparison.differences()


class _Comparison:
    """What was seen so far, by workflow."""

    def __init__(self, kinds: Mapping[str, str], lives: Lives) -> None:
        self.found = {workflow: Difference(workflow, kind) for workflow, kind in kinds.items()}
        self.sketches: dict[tuple[str, str], list[str]] = {}  # of whole days, by workflow and what is counted
        self._buckets: dict[str, set[str]] = {workflow: set() for workflow in kinds}
        self._differing: dict[str, set[str]] = {workflow: set() for workflow in kinds}
        self._lives = lives

    def take(self, name: str, stored: Any, rebuilt: Any) -> None:  # noqa: ANN401 - of `_values`
        """One key's two values."""
        level, _, workflow, start, tail = self._lives.parts(name)
        difference = self.found.get(workflow)
        if difference is None:
            return  # without a record, so that nobody can ask for it
        self._buckets[workflow].add(level + start)
        if stored != rebuilt:
            self._differing[workflow].add(level + start)
        if level == "day" and tail == "counts":
            difference.stored.add(stored)
            difference.rebuilt.add(rebuilt)
        elif level == "day" and tail in ("visitors", "sessions"):
            self.sketches.setdefault((workflow, tail), []).append(name)

    def differences(self) -> list[Difference]:
        """All workflows."""
        for workflow, difference in self.found.items():
            difference.buckets, difference.differing = len(self._buckets[workflow]), len(self._differing[workflow])
        return list(self.found.values())


async def _values(client: Client, names: Iterable[str], shadow: keys.Shadow) -> list[tuple[Any, Any]]:
    """Of each name what is stored and what was rebuilt: a sketch's count, or counts by field."""
    pipeline = client.pipeline(transaction=False)
    for name in names:
        for prefix in (keys.prefix(int(shadow)), keys.prefix(shadow)):
            if name.endswith(":counts"):
                pipeline.hgetall(prefix + name)
            else:
                pipeline.execute_command("PFCOUNT", prefix + name)  # `pfcount` is refused in a pipeline of a cluster
    with translated():
        replies = iter(map(_plain, await pipeline.execute()))
    return list(zip(replies, replies, strict=True))


def _plain(reply: Any) -> Any:  # noqa: ANN401 - a count, or a hash
    if isinstance(reply, dict):
        return {name.decode(): int(value) for name, value in reply.items()}
    return reply


def _pages(names: Iterable[str]) -> Iterable[list[str]]:
    page: list[str] = []
    for name in names:
        page.append(name)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
