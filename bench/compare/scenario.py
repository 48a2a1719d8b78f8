"""A scenario: the figures that one build gives in one round, and the rows of the table that they make."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from bench.servers import BenchWorld

Measure = Callable[[BenchWorld, int, bool], dict[str, float]]
Prepare = Callable[[BenchWorld, bool], None]


class Row(Struct, frozen=True):
    """A row of the table: a figure, what it is, and the target.

    Attributes:
        figure: the name under which the scenario returns it.
        target: the ratio of this build's figure to the base's that is to be reached, or with `limit` the figure itself; None for
            a figure without a target.
        higher: more is better, as of a rate.
        limit: the target is no ratio but a bound of the figure.
    """

    figure: str
    what: str
    target: float | None = None
    higher: bool = False
    limit: bool = False


class Scenario(Struct, frozen=True):
    """A scenario, measured for each build in turn.

    Attributes:
        measure: gets a world, the number of the round, and True for small data.
        partitions: of the installation.
        prepare: loads a history; each build then keeps one world for all rounds. None gives each round a new world.
    """

    measure: Measure
    rows: Sequence[Row]
    partitions: int = 1
    prepare: Prepare | None = None
