"""The state of a visitor for attribution, a hash: its fields, encoded and decoded. Pure.

    interaction:<workflow>      spans of the workflow, each `start end arrived` (µs, µs, ms), joined by commas
    goal:<entry>.<position>     `at goal session arrived`, behind it `units currency` for a purchase

`ingest/apply/attribution.py` has the meaning of spans and goals.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

_INTERACTION: Final = "interaction:"
_GOAL: Final = "goal:"


class InteractionSpan(Struct):
    """A closed interval, in microseconds, in which a goal affects a workflow; `arrived_ms` is the latest arrival."""

    start_us: int
    end_us: int
    arrived_ms: int


class OuterGoal(Struct, frozen=True):
    """A goal reached outside of workflows: its time, its id, its session (a hash), and the sum of a purchase, in 1/10,000."""

    at_us: int
    goal_id: str
    session: str
    units: int | None
    currency: str | None
    arrived_ms: int
    key: str  # `<entry>.<position>` in the stream: unique, and in order of arrival


def interaction_field(workflow: str) -> str:
    """The field that holds the spans of a workflow."""
    return _INTERACTION + workflow


def outer_goal_field(key: str) -> str:
    """The field that holds the goal with that key."""
    return _GOAL + key


def count_interactions(fields: Iterable[str]) -> int:
    """Count the fields that hold spans; the others hold goals."""
    return sum(name.startswith(_INTERACTION) for name in fields)


def encode_spans(spans: Sequence[InteractionSpan]) -> str:
    """The value of a field of spans."""
    return ",".join(f"{span.start_us} {span.end_us} {span.arrived_ms}" for span in spans)


def encode_goal(goal: OuterGoal) -> str:
    """The value of a goal's field."""
    purchase = f" {goal.units} {goal.currency}" if goal.units is not None else ""
    return f"{goal.at_us} {goal.goal_id} {goal.session} {goal.arrived_ms}{purchase}"


def decode(stored: Mapping[bytes, bytes]) -> tuple[dict[str, list[InteractionSpan]], list[OuterGoal]]:
    """Decode the hash: spans by workflow, and goals in no order."""
    spans: dict[str, list[InteractionSpan]] = {}
    goals: list[OuterGoal] = []
    for field, value in stored.items():
        kind, _, name = field.decode().partition(":")
        if kind == "interaction":
            spans[name] = [InteractionSpan(*map(int, span.split())) for span in value.decode().split(",")]
        else:
            goals.append(_decode_goal(name, value.decode()))
    return spans, goals


def _decode_goal(key: str, text: str) -> OuterGoal:
    at_us, goal_id, session, arrived_ms, *purchase = text.split()
    units, currency = (int(purchase[0]), purchase[1]) if purchase else (None, None)
    return OuterGoal(int(at_us), goal_id, session, units, currency, int(arrived_ms), key)
