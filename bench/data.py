"""Seeded events as columns, made and exactly counted with numpy because of their number. Pure.

*Mix* is the traffic of 200 workflows: sessions of some five events each, workflows by Zipf, 70 % page views. *Busy* is one
workflow whose hours have thousands of visitors.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PAGE_VIEW, STARTED, INTERACTION, TRIGGERED, REACHED = range(5)
TYPES: Final = ("page_view", "workflow_started", "interaction", "goal_triggered", "goal_reached")
WORKFLOWS: Final = 200
GOALS: Final = 8  # the last one is a purchase
PURCHASE: Final = GOALS - 1
HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US

_PER_SESSION = 5
_SESSION_US = 20 * 60_000_000
_REACHED_SHARE = 0.05
_DAY_POOL = 60_000  # different visitors of a busy day

Ints = NDArray[np.int64]


class Events(NamedTuple):
    """Events in the order of time; -1 where there is none."""

    types: Ints
    workflows: Ints  # by rank, 0 is the busiest
    visitors: Ints
    sessions: Ints
    at_us: Ints
    goals: Ints

    def where(self, mask: NDArray[np.bool_]) -> "Events":
        """Those events only."""
        return Events(*(column[mask] for column in self))

    def part(self, first: int, last: int) -> "Events":
        """Those of a range."""
        return Events(*(column[first:last] for column in self))


def is_page(workflows: int = WORKFLOWS) -> NDArray[np.bool_]:
    """Which ranks are page-navigation workflows, so that page views are 70 % of all events."""
    weights = 1 / np.arange(1, workflows + 1)
    pages = np.zeros(workflows, np.bool_)
    of_pages = total = 0.0
    for rank, weight in enumerate(weights):
        total += weight
        pages[rank] = of_pages / total < 0.7 / (1 - _REACHED_SHARE)
        of_pages += weight * pages[rank]
    return pages


def mix(seed: int, count: int, visitors: int, start_us: int, end_us: int) -> Events:
    """`count` events of all workflows between two instants."""
    rng = np.random.default_rng(seed)
    sessions = np.sort(rng.integers(0, max(1, count // _PER_SESSION), count))
    begins = _times(rng, int(sessions[-1]) + 1, start_us, end_us)
    length = min(_SESSION_US, (end_us - start_us) // 10)
    at_us = np.minimum(begins[sessions] + rng.integers(0, length, count), end_us - 1)
    weights = 1 / np.arange(1, WORKFLOWS + 1)
    workflows = rng.choice(WORKFLOWS, count, p=weights / weights.sum())
    types = np.where(is_page()[workflows], PAGE_VIEW, _interactions(rng, count))
    types[rng.random(count) < _REACHED_SHARE] = REACHED
    workflows[types == REACHED] = -1
    of_sessions = rng.integers(0, visitors, int(sessions[-1]) + 1)
    return _ordered(rng, types, workflows, of_sessions[sessions], sessions, at_us)


def busy(seed: int, kind: str, start_us: int, end_us: int, peak: int) -> Events:
    """One workflow, rank 0, with `peak` visitors in the busiest hours of each day and few at night."""
    rng = np.random.default_rng(seed)
    hours = np.arange(start_us // HOUR_US, end_us // HOUR_US)
    curve = 0.1 + 0.95 * np.sin(np.pi * (hours % 24) / 24) ** 2
    hour = np.repeat(hours, (curve * peak).astype(np.int64))
    visitors = (hour // 24 * 7919 + rng.integers(0, _DAY_POOL, len(hour))) % 500_000
    # One visitor in five comes a second time within the hour.
    again = rng.random(len(hour)) < 0.2
    hour, visitors = np.append(hour, hour[again]), np.append(visitors, visitors[again])
    count = len(hour)
    at_us = hour * HOUR_US + rng.integers(0, HOUR_US, count)
    types = np.full(count, PAGE_VIEW) if kind == "page_navigation" else _interactions(rng, count)
    if kind != "page_navigation":
        types[rng.random(count) < _REACHED_SHARE] = REACHED
    workflows = np.where(types == REACHED, -1, 0)
    return _ordered(rng, types, workflows, visitors, visitors * 1_000 + hour // 24 % 1_000, at_us)


def affected(events: Events, look_back_us: int = DAY_US) -> Events:
    """Outer goals once for each workflow that they are affected by, which is then their workflow."""
    reached = events.where(events.types == REACHED)
    found = []
    interactions = events.where(events.types == INTERACTION)
    for workflow in np.unique(interactions.workflows):
        mine = interactions.where(interactions.workflows == workflow)
        order = np.lexsort((mine.at_us, mine.visitors))
        # Visitor and time in one number: the interaction before a goal is the one to its left.
        base = events.at_us[0]
        span = int(events.at_us[-1] - base) + 1
        keys = mine.visitors[order] * span + (mine.at_us[order] - base)
        own = reached.visitors * span + (reached.at_us - base)
        place = np.searchsorted(keys, own, side="right") - 1
        before = keys[np.maximum(place, 0)]
        hit = (place >= 0) & (before // span == reached.visitors) & (own - before <= look_back_us)
        found.append(reached.where(hit)._replace(workflows=np.full(int(hit.sum()), workflow)))
    return Events(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def _interactions(rng: np.random.Generator, count: int) -> Ints:
    return rng.choice(np.array([STARTED, INTERACTION, TRIGGERED]), count, p=[0.45, 0.35, 0.2])


def _times(rng: np.random.Generator, count: int, start_us: int, end_us: int) -> Ints:
    """Instants of which few are at night, where the span is long enough for nights."""
    if end_us - start_us < DAY_US:
        return rng.integers(start_us, end_us, count)
    drawn = rng.integers(start_us, end_us, 3 * count)
    kept = drawn[rng.random(3 * count) < 0.1 + 0.9 * np.sin(np.pi * (drawn % DAY_US) / DAY_US) ** 2]
    return kept[:count]


def _ordered(
    rng: np.random.Generator, types: Ints, workflows: Ints, visitors: Ints, sessions: Ints, at_us: Ints
) -> Events:
    with_goal = (types == TRIGGERED) | (types == REACHED)
    goals = np.where(with_goal, rng.integers(0, GOALS, len(types)), -1)
    order = np.argsort(at_us // 1000, kind="stable")
    columns = (types, workflows, visitors, sessions, at_us // 1000 * 1000, goals)  # as they are written: milliseconds
    return Events(*(column[order].astype(np.int64) for column in columns))
