"""From the parts of a cover to the figures of an answer. Pure.

Every number is one of three: a sum of stored counts (whole hours and days), a union of sketches (totals, and the hours and days
at the rim, of which only a part lies inside), or a sum of exact counts.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

import msgspec
import numpy as np

from sidedata.calendar.tiling import Cover, Rim, Run
from sidedata.events.money import joined, text_of
from sidedata.hyperloglog import estimates
from sidedata.reads.workflow_parts import Part
from sidedata.schema import keys
from sidedata.service.report.merged_runs import MOST_ROWS, Merged, Needs

Merging = Callable[[Sequence[Run], range], Merged]  # runs, into those rows
CountsOf = Callable[[int], Mapping[str, int]]

HOURS = tuple(f"hour {index}" for index in range(24))  # names of sums over whole days
WEEKDAYS = tuple(f"weekday {number}" for number in range(1, 8))
# Of a page-navigation workflow; of the other kind the sessions are those of goals, which get their rows as they come.
VISITORS, SESSIONS = 0, 1
_ROWS = range(SESSIONS + 1)


def needs(cover: Cover, kind: str) -> Needs:
    """All that an answer of that kind has to read."""
    if kind == "interaction":
        return Needs(cover.runs)
    # A day at the rim is read for the counts of its hours alone.
    return Needs(cover.runs, tuple(Part("day", rim.day.start, "counts") for rim in cover.rims))


def day_sums(stored: Mapping[str, int], weekday: int) -> dict[str, int]:
    """What a whole day adds to the hours of day and the weekdays."""
    sums = {WEEKDAYS[weekday - 1]: stored.get("visitors", 0)}
    for field, visitors in stored.items():
        if field.startswith("visitors@"):
            name = HOURS[int(field[9:11])]
            sums[name] = sums.get(name, 0) + visitors
    return sums


class RimFigures(NamedTuple):
    """What a rim comes to: its visitors, and what it adds to each hour of day."""

    visitors: int
    hours: tuple[int, ...]


def page_navigation(
    cover: Cover, *, merge: Merging, counts: CountsOf, rims: dict[tuple[Run, ...], RimFigures]
) -> dict[str, Any]:
    """The answer for a page-navigation workflow.

    Args:
        counts: those stored of the day that starts then.
        rims: figures of rims by their runs, as far as they are known, because many intervals share them; what is found out here
            is added.
    """
    total = merge(cover.runs, _ROWS)
    unknown = [rim for rim in cover.rims if rim.runs not in rims]
    alone = [runs for rim in unknown for runs in (rim.runs, *((run,) for run in rim.runs if run.level == "5min"))]
    registers = np.concatenate([total.rows, *(merge(runs, _ROWS).rows[:1] for runs in alone)]) if alone else total.rows
    found = estimates(registers)
    visitors = dict(zip(alone, found[len(_ROWS) :], strict=True))
    for rim in unknown:
        rims[rim.runs] = RimFigures(visitors[rim.runs], _hours(rim, counts(rim.day.start), visitors))

    hours = [total.sums.get(name, 0) for name in HOURS]
    weekdays = [total.sums.get(name, 0) for name in WEEKDAYS]
    for rim in cover.rims:
        of_rim = rims[rim.runs]
        hours = list(map(add, hours, of_rim.hours))
        weekdays[rim.day.weekday - 1] += of_rim.visitors
    timeframe: dict[str, Any] = {}
    if cover.several_days:
        timeframe["day_in_week"] = [[value, weekday] for weekday, value in enumerate(weekdays, 1)]
    timeframe["hour_in_day"] = [[value, hour] for hour, value in enumerate(hours)]
    return {
        "timeframe_stat": timeframe,
        "unique_visitors_count": found[VISITORS],
        "unique_sessions_count": found[SESSIONS],
    }


def _hours(rim: Rim, stored: Mapping[str, int], visitors: Mapping[tuple[Run, ...], int]) -> tuple[int, ...]:
    """What a rim adds to each hour of day: the stored numbers of whole hours, and those of visitors in parts of hours."""
    hours = [0] * len(HOURS)
    for hour, whole, fines in rim.hours:
        field = keys.hour_field(hour.index, hour.offset)
        hours[hour.index] += stored.get(field, 0) if whole else visitors[(Run("5min", fines),)]
    return tuple(hours)


def interaction(cover: Cover, *, merge: Merging, rows: Mapping[str, int], names: Mapping[str, str]) -> dict[str, Any]:
    """The answer for an interaction workflow; `rows` are those of visitors by `<role>:<goal>`, sessions have the next one."""
    most = max(rows.values(), default=VISITORS - 1) + 2
    total: Mapping[str, int] = {}
    distinct: list[int] = []
    for first in range(0, most, MOST_ROWS):
        merged = merge(cover.runs, range(first, min(first + MOST_ROWS, most)))
        total = merged.sums
        distinct += estimates(merged.rows)
    return {
        "unique_visitors_count": distinct[VISITORS],
        "started_workflows_count": total.get("started", 0),
        "visitor_purchase_sums": _purchases(total),
        "triggered_goals": _goals("triggered:", total, distinct, rows, names),
        "affected_goals": _goals("affected:", total, distinct, rows, names),
    }


def _goals(
    role: str, total: Mapping[str, int], distinct: Sequence[int], rows: Mapping[str, int], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    answers = []
    fields = [field for field, count in total.items() if field.startswith(role) and count]
    for field in sorted(fields, key=lambda field: (-total[field], field)):
        row = rows[field]
        goal_id = field.removeprefix(role)
        metrics = {
            "events_count": total[field],
            "unique_visitors_count": distinct[row],
            "unique_sessions_count": distinct[row + 1],
        }
        answers.append({"uuid": goal_id, "name": names.get(goal_id, ""), "metrics": metrics})
    return answers


def _purchases(total: Mapping[str, int]) -> list[dict[str, Any]]:
    parts: dict[str, dict[str, int]] = {}
    for field, count in total.items():
        if field.startswith("purchases:"):
            _, currency, part = field.split(":")
            parts.setdefault(currency, {})[part] = count
    sums = {currency: joined(part.get("high", 0), part.get("low", 0)) for currency, part in parts.items()}
    # As raw JSON: an encoder of floats would round.
    return [
        {"value": msgspec.Raw(text_of(units).encode()), "currency": currency}
        for currency, units in sorted(sums.items())
    ]
