"""From the parts of a cover to the figures of an answer. Pure.

Every number is one of three: a sum of stored counts (whole hours and days), a union of sketches (totals, and the hours and days
at the rim, of which only a part lies inside), or a sum of exact counts.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from store import keys
from store.cover import Cover, DayPiece, HourPiece
from store.money import joined, text_of
from store.read import Part
from store.sketch import Sketch, estimate, union

SketchOf = Callable[[Part], Sketch | None]
CountsOf = Callable[[Part], Mapping[str, int]]
GoalsOf = Callable[[Part], "GoalParts"]


class GoalParts(msgspec.Struct):
    """A bucket's counts, and the sketches of visitors and sessions by `<role>:<goal>`."""

    counts: Mapping[str, int]
    sketches: Mapping[str, tuple[Sketch | None, Sketch | None]]


def buckets(pieces: Iterable[DayPiece]) -> list[tuple[keys.Level, int]]:
    """Level and start of every bucket that makes up these days."""
    found: list[tuple[keys.Level, int]] = []
    for piece in pieces:
        if piece.whole:
            found.append(("day", piece.day.start))
        for hour in piece.hours:
            found += _hour_buckets(hour)
    return found


def _hour_buckets(hour: HourPiece) -> list[tuple[keys.Level, int]]:
    return [("hour", hour.hour.start)] if hour.whole else [("5min", start) for start in hour.fines]


def parts(cover: Cover, kind: str) -> list[Part]:
    """All that an answer of that kind needs to read."""
    if kind == "interaction":
        return [Part(level, start, what) for level, start in buckets(cover.days) for what in ("visitors", "goals")]
    needed = [Part(level, start, what) for level, start in buckets(cover.days) for what in ("visitors", "sessions")]
    # A day at the rim is read for the counts of its hours alone.
    return needed + [Part("day", piece.day.start, "counts") for piece in cover.days]


def page_navigation(cover: Cover, sketch: SketchOf, counts: CountsOf) -> dict[str, Any]:
    """The answer for a page-navigation workflow."""
    hours, weekdays = [0] * 24, [0] * 7
    for piece in cover.days:
        stored = counts(Part("day", piece.day.start, "counts"))
        if piece.whole:
            weekdays[piece.day.weekday - 1] += stored.get("visitors", 0)
            for field, visitors in stored.items():
                if field.startswith("visitors@"):
                    hours[int(field[9:11])] += visitors
            continue
        if cover.several_days:
            weekdays[piece.day.weekday - 1] += _distinct(buckets([piece]), "visitors", sketch)
        for hour in piece.hours:
            if hour.whole:
                hours[hour.hour.index] += stored.get(keys.hour_field(hour.hour.index, hour.hour.offset), 0)
            else:
                hours[hour.hour.index] += _distinct(_hour_buckets(hour), "visitors", sketch)
    everything = buckets(cover.days)
    timeframe: dict[str, Any] = {}
    if cover.several_days:
        timeframe["day_in_week"] = [[visitors, weekday] for weekday, visitors in enumerate(weekdays, 1)]
    timeframe["hour_in_day"] = [[visitors, hour] for hour, visitors in enumerate(hours)]
    return {
        "timeframe_stat": timeframe,
        "unique_visitors_count": _distinct(everything, "visitors", sketch),
        "unique_sessions_count": _distinct(everything, "sessions", sketch),
    }


def _distinct(of: Iterable[tuple[keys.Level, int]], what: Any, sketch: SketchOf) -> int:  # noqa: ANN401 - "visitors" or "sessions"
    return estimate(union(sketch(Part(level, start, what)) for level, start in of))


def interaction(cover: Cover, sketch: SketchOf, goals: GoalsOf, names: Mapping[str, str]) -> dict[str, Any]:
    """The answer for an interaction workflow."""
    everything = buckets(cover.days)
    read = [goals(Part(level, start, "goals")) for level, start in everything]
    total: dict[str, int] = {}
    for part in read:
        for field, count in part.counts.items():
            total[field] = total.get(field, 0) + count
    return {
        "unique_visitors_count": _distinct(everything, "visitors", sketch),
        "started_workflows_count": total.get("started", 0),
        "visitor_purchase_sums": _purchases(total),
        "triggered_goals": _goals("triggered:", total, read, names),
        "affected_goals": _goals("affected:", total, read, names),
    }


def _goals(
    role: str, total: Mapping[str, int], read: Iterable[GoalParts], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    answers = []
    fields = [field for field, count in total.items() if field.startswith(role) and count]
    for field in sorted(fields, key=lambda field: (-total[field], field)):
        sketches = [part.sketches[field] for part in read if field in part.sketches]
        goal_id = field.removeprefix(role)
        metrics = {
            "events_count": total[field],
            "unique_visitors_count": estimate(union(visitors for visitors, _ in sketches)),
            "unique_sessions_count": estimate(union(sessions for _, sessions in sketches)),
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
