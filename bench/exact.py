"""Exact answers, counted with numpy from the columns. Pure."""

from typing import NamedTuple

import numpy as np

from bench.data import DAY_US, HOUR_US, Events, Ints

_FIRST_MONDAY = 4  # 1970-01-05, in days since the epoch


class Exact(NamedTuple):
    """The exact figures of a page-navigation report, in UTC."""

    visitors: int
    sessions: int
    hours: list[int]
    weekdays: list[int]


def page_navigation(events: Events) -> Exact:
    """Of one workflow's events of an interval."""
    of_hours = _different_pairs(events.at_us // HOUR_US, events.visitors)
    of_days = _different_pairs(events.at_us // DAY_US, events.visitors)
    return Exact(
        _different(events.visitors),
        _different(events.sessions),
        np.bincount(of_hours % 24, minlength=24).tolist(),
        np.bincount((of_days - _FIRST_MONDAY) % 7, minlength=7).tolist(),
    )


def goals(events: Events) -> dict[int, tuple[int, int, int]]:
    """Events, visitors and sessions of each goal."""
    found = {}
    for goal in np.unique(events.goals).tolist():
        mine = events.where(events.goals == goal)
        found[goal] = (len(mine.at_us), _different(mine.visitors), _different(mine.sessions))
    return found


def _different(values: Ints) -> int:
    return len(np.unique(values))


def _different_pairs(buckets: Ints, visitors: Ints) -> Ints:
    """The bucket of each different visitor of each bucket."""
    return np.unique(buckets << 32 | visitors) >> 32
