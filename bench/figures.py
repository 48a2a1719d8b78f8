"""Figures: rows of a table, medians over rounds, and how numbers are written."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct, field

HEADER = ("what", "must reach", "measured", "met", "from")


class Table(Struct):
    """A table of `bench/README.md`, between the markers of its name."""

    name: str
    rows: list[tuple[str, ...]] = field(default_factory=list)
    header: tuple[str, ...] = HEADER

    def add(self, what: str, target: str, measured: str, met: bool | None, source: str) -> None:  # noqa: FBT001 - a column
        """Add a row; `met` is None for what has no target."""
        self.rows.append((what, target, measured, "" if met is None else "yes" if met else "**no**", source))

    def text(self) -> str:
        """In Markdown."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Rounds:
    """The measurements of several rounds, by name."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        """Record a round's figure, and show it."""
        self._values.setdefault(name, []).append(value)
        print(f"    {name}: {short(value)}", flush=True)

    def median(self, name: str) -> float:
        """The median of all rounds."""
        return median(self._values[name])

    def has(self, name: str) -> bool:
        """Tell if it was measured."""
        return name in self._values

    def of(self, name: str) -> list[float]:
        """All rounds."""
        return self._values[name]

    def ratio(self, above: str, below: str) -> float:
        """The median of the rounds' ratios: each round is one moment of one machine."""
        return median(a / b for a, b in zip(self._values[above], self._values[below], strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of the others doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def short(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
