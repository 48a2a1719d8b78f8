"""The errors of the estimates, on the data of the other measurements: all workflows, several months of 30 days."""

from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np

from bench.asking import Asker
from bench.data import DAY_US, TRIGGERED, Events, affected, is_page
from bench.datasets import MARKET_PARTITION, Market
from bench.exact import goals, page_navigation
from bench.figures import Table
from bench.servers import BenchWorld
from bench.wire import Names

_FEW = 50  # below it, relative errors say little; the share that is exact says more
_DAYS = 30


class _Errors:
    """Relative errors of one kind of figure."""

    def __init__(self) -> None:
        self.relative: list[float] = []
        self.outside = 0  # of 3 % + 2, which the contract promises
        self.few = self.few_exact = 0

    def add(self, estimate: int, true: int) -> None:
        self.outside += abs(estimate - true) > 0.03 * true + 2
        if true >= _FEW:
            self.relative.append((estimate - true) / true)
        elif true:
            self.few += 1
            self.few_exact += estimate == true


def accuracy(world: BenchWorld, made: Market, *, quick: bool) -> Table:
    """Ask for everything and compare."""
    _, port = world.serve()
    asker = Asker(port, world.token())
    names = world.names(MARKET_PARTITION)
    found = {name: _Errors() for name in ("visitors", "sessions", "hours", "weekdays", "goals")}
    counts_right = True
    hits = affected(made.events)
    first = made.start_us // DAY_US + 1
    for start in range(first, first + 58, 29 if quick else 8):
        interval = start * DAY_US, (start + _DAYS) * DAY_US
        mine, outer = _between(made.events, *interval), _between(hits, *interval)
        for rank, page in enumerate(is_page()):
            answer = asker.patient_report(world.path(names, rank), *interval)
            if answer.effective != interval:
                raise RuntimeError(f"asked for {interval}, got {answer.effective}")
            events = mine.where(mine.workflows == rank)
            if page:
                _pages(found, answer.figures, events)
            else:
                triggered = events.where(events.types == TRIGGERED)
                counts_right &= _goals(found["goals"], answer.figures["triggered_goals"], triggered, names)
                reached = outer.where(outer.workflows == rank)
                counts_right &= _goals(found["goals"], answer.figures["affected_goals"], reached, names)
                found["visitors"].add(answer.figures["unique_visitors_count"], len(np.unique(events.visitors)))
    asker.close()
    return _table(found, counts_right=counts_right)


def _between(events: Events, start_us: int, end_us: int) -> Events:
    return events.where((events.at_us >= start_us) & (events.at_us < end_us))


def _pages(found: dict[str, _Errors], answer: Any, events: Events) -> None:  # noqa: ANN401 - JSON
    true = page_navigation(events)
    found["visitors"].add(answer["unique_visitors_count"], true.visitors)
    found["sessions"].add(answer["unique_sessions_count"], true.sessions)
    for name, field, counts in (
        ("hours", "hour_in_day", true.hours),
        ("weekdays", "day_in_week", true.weekdays),
    ):
        for (value, _), count in zip(answer["timeframe_stat"][field], counts, strict=True):
            found[name].add(value, count)


def _goals(errors: _Errors, answer: Iterable[Any], events: Events, names: Names) -> bool:
    """Compare unique counts; whether the counts of events, which are exact, are right."""
    true = goals(events)
    seen = {names.goals.index(goal["uuid"]): goal["metrics"] for goal in answer}
    for goal, (_, visitors, sessions) in true.items():
        if goal in seen:
            errors.add(seen[goal]["unique_visitors_count"], visitors)
            errors.add(seen[goal]["unique_sessions_count"], sessions)
    return {goal: metrics["events_count"] for goal, metrics in seen.items()} == {
        goal: count for goal, (count, _, _) in true.items()
    }


def _table(found: dict[str, _Errors], *, counts_right: bool) -> Table:
    table = Table(
        "accuracy", header=("figure", "standard error", "worst", "figures", "beyond 3 % + 2", "below 50: exact")
    )
    for name, errors in found.items():
        values = errors.relative
        standard = sqrt(sum(value * value for value in values) / len(values)) if values else 0.0
        table.rows.append(
            (
                name,
                f"{standard:.2%}",
                f"{max(map(abs, values), default=0.0):.2%}",
                f"{len(values):,}",
                str(errors.outside),
                f"{errors.few_exact / errors.few:.2%} of {errors.few:,}" if errors.few else "",
            )
        )
    table.rows.append(
        ("events of goals, triggered and affected", "", "all right" if counts_right else "**wrong**", "", "", "")
    )
    return table
