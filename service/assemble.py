"""From the parts of a cover to the figures of an answer. Pure.

Every number is one of three: a sum of stored counts (whole hours and days), a union of sketches (totals, and the hours and days
at the rim, of which only a part lies inside), or a sum of exact counts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from service.unions import MOST_ROWS, Merged, Needs
from store import keys
from store.cover import Cover, Run
from store.money import joined, text_of
from store.read import Part
from store.sketch import estimates

Merging = Callable[[Sequence[Run], range], Merged]  # runs, into those rows
CountsOf = Callable[[int], Mapping[str, int]]

HOURS = tuple(f"hour {index}" for index in range(24))  # names of sums over whole days
WEEKDAYS = tuple(f"weekday {number}" for number in range(1, 8))
# Of a page-navigation workflow; of the other kind the sessions are those of goals, which get their rows as they come.
VISITORS, SESSIONS = 0, 1


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


def page_navigation(
    cover: Cover, *, merge: Merging, counts: CountsOf, visitors: dict[tuple[Run, ...], int]
) -> dict[str, Any]:
    """The answer for a page-navigation workflow.

    Args:
        counts: those stored of the day that starts then.
        visitors: how many runs have together, as far as it is known; what is found out here is added.
    """
    rows = range(SESSIONS + 1)
    fines = [(run,) for rim in cover.rims for run in rim.runs if run.level == "5min"]
    # Hours and days at the rim are counted for themselves, and are the same for many intervals.
    alone = [*(rim.runs for rim in cover.rims if cover.several_days), *fines]
    unknown = [runs for runs in dict.fromkeys(alone) if runs not in visitors]
    total = merge(cover.runs, rows)
    found = estimates(np.concatenate([total.rows, *(merge(runs, rows).rows[:1] for runs in unknown)]))
    visitors.update(zip(unknown, found[len(rows) :], strict=True))

    hours = [total.sums.get(name, 0) for name in HOURS]
    weekdays = [total.sums.get(name, 0) for name in WEEKDAYS]
    for rim in cover.rims:
        if cover.several_days:
            weekdays[rim.day.weekday - 1] += visitors[rim.runs]
        stored = counts(rim.day.start)
        for hour in rim.hours:
            if hour.whole:
                hours[hour.hour.index] += stored.get(keys.hour_field(hour.hour.index, hour.hour.offset), 0)
            else:
                hours[hour.hour.index] += visitors[(Run("5min", hour.fines),)]
    timeframe: dict[str, Any] = {}
    if cover.several_days:
        timeframe["day_in_week"] = [[value, weekday] for weekday, value in enumerate(weekdays, 1)]
    timeframe["hour_in_day"] = [[value, hour] for hour, value in enumerate(hours)]
    return {
        "timeframe_stat": timeframe,
        "unique_visitors_count": found[VISITORS],
        "unique_sessions_count": found[SESSIONS],
    }


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
