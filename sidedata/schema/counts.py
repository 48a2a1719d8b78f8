"""The fields of a bucket's `counts`, encoded and decoded. Pure.

    started                        workflows started
    triggered:<goal>               events of a goal, by role
    affected:<goal>
    purchases:<currency>:high      sum in 1/10,000 of the currency, high * 10^9 + low (see `events/money.py`)
    purchases:<currency>:low
    visitors                       in days of page navigation: the day's unique visitors
    visitors@14+02:00              those of the local hour 14 at that offset

The commit that changes a sketch stores the last two. Scripts know these names too: `read.lua` finds goals by their fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct, field

from sidedata.events.money import join_units

Role = Literal["triggered", "affected"]
Sketch = Literal["visitors", "sessions"]

# Hours of a day: the key of the day's counts, the fields of the hours' counts there, the keys of their visitors.
HourQuery = tuple[str, Sequence[str], Sequence[str]]

GOAL_SKETCHES: Final[tuple[Sketch, ...]] = ("visitors", "sessions")
STARTED: Final = "started"
VISITORS: Final = "visitors"
_ROLES: Final = ("triggered:", "affected:")
_PURCHASES: Final = "purchases:"
_HOUR: Final = "visitors@"
_INDEX: Final = slice(len(_HOUR), len(_HOUR) + 2)
_OFFSET: Final = slice(len(_HOUR) + 2, None)


class HourCount(Struct, frozen=True):
    """Unique visitors of one local hour of a day: its index, its offset as text (`+02:00`), their number."""

    index: int
    offset: str
    visitors: int

    @property
    def offset_seconds(self) -> int:
        """The offset as `hour_field` takes it, in seconds east of UTC."""
        hours, minutes, *seconds = (int(part) for part in self.offset[1:].split(":"))
        value = hours * 3600 + minutes * 60 + sum(seconds)
        return -value if self.offset[0] == "-" else value


class Counts(Struct):
    """Decoded counts of a bucket, or their sums over several; purchases are in 1/10,000 of each currency."""

    started: int = 0
    triggered: dict[str, int] = field(default_factory=dict)  # events by goal
    affected: dict[str, int] = field(default_factory=dict)
    purchases: dict[str, int] = field(default_factory=dict)
    visitors: int = 0
    hours: list[HourCount] = field(default_factory=list)


def goal_field(role: Role, goal: str) -> str:
    """The field that counts a goal's events; it begins the names of the goal's sketches too."""
    return f"{role}:{goal}"


def goal_fields(fields: Iterable[str]) -> list[str]:
    """Select the fields that count the events of goals."""
    return [name for name in fields if name.startswith(_ROLES)]


def goal_sketch(name: str, sketch: Sketch) -> str:
    """The name, within its bucket, of a sketch of the goal that the field counts."""
    return f"{name}:{sketch}"


def purchase_fields(currency: str) -> tuple[str, str]:
    """The fields that hold a sum of money, high part and low part."""
    return f"{_PURCHASES}{currency}:high", f"{_PURCHASES}{currency}:low"


@lru_cache(maxsize=4096)
def hour_field(index: int, offset: int) -> str:
    """The field that stores the unique visitors of a local hour; `offset` is in seconds east of UTC."""
    minutes, seconds = divmod(abs(offset), 60)
    sign = "-" if offset < 0 else "+"
    return f"{_HOUR}{index:02}{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def hours_of(fields: Mapping[str, int]) -> Iterable[tuple[int, int]]:
    """Index and unique visitors of the local hours among the fields; an hour that occurs twice comes twice."""
    return [(hour, visitors) for name, visitors in fields.items() if (hour := _hour_of(name)) is not None]


@lru_cache(maxsize=4096)
def _hour_of(name: str) -> int | None:
    """The index of the local hour that a field counts; None for another field."""
    return int(name[_INDEX]) if name.startswith(_HOUR) else None


def decode(fields: Mapping[str, int]) -> Counts:
    """Decode all fields of a bucket; an unknown one is left out."""
    counts = Counts(fields.get(STARTED, 0), visitors=fields.get(VISITORS, 0))
    money: dict[str, list[int]] = {}
    for name, value in fields.items():
        kind, colon, rest = name.partition(":")
        if name.startswith(_HOUR):
            counts.hours.append(HourCount(int(name[_INDEX]), name[_OFFSET], value))
        elif not colon:
            continue
        elif kind == "triggered":
            counts.triggered[rest] = value
        elif kind == "affected":
            counts.affected[rest] = value
        elif kind == "purchases":
            currency, _, part = rest.partition(":")
            money.setdefault(currency, [0, 0])[part == "low"] += value
    counts.purchases = {currency: join_units(high, low) for currency, (high, low) in money.items()}
    return counts
