"""The shapes of events as JSON objects, one struct a type, and their compiled decoder. Pure."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

EventType = Literal["page_view", "workflow_started", "interaction", "goal_triggered", "goal_reached"]

Id = Annotated[str, Meta(min_length=1, max_length=256)]
EventId = Annotated[str, Meta(min_length=1, max_length=128)]
GoalName = Annotated[str, Meta(min_length=1, max_length=200)]


class Goal(Struct):
    """The goal of an event."""

    uuid: str
    name: GoalName


class Purchase(Struct):
    """The purchase of an event; the value stays JSON text, so that it is never a float."""

    value: Raw
    currency: str


class _Common(Struct, kw_only=True, tag_field="type"):
    """The fields of every event. The path may stand in for an absent organization, the stream entry's time for a timestamp."""

    visitor_id: Id
    session_id: Id
    organization_id: str | UnsetType | None = UNSET
    timestamp: str | UnsetType | None = UNSET
    id: EventId | UnsetType | None = UNSET


class PageView(_Common, tag="page_view", kw_only=True):
    """A page view of a page-navigation workflow."""

    workflow_id: str


class WorkflowStarted(_Common, tag="workflow_started", kw_only=True):
    """The start of an interaction workflow."""

    workflow_id: str


class Interaction(_Common, tag="interaction", kw_only=True):
    """An interaction with a workflow."""

    workflow_id: str


class GoalTriggered(_Common, tag="goal_triggered", kw_only=True):
    """A goal that a workflow triggered."""

    workflow_id: str
    goal: Goal


class GoalReached(_Common, tag="goal_reached", kw_only=True):
    """A goal that a visitor reached outside of workflows."""

    goal: Goal
    purchase: Purchase | UnsetType | None = UNSET
    workflow_id: Raw | UnsetType = UNSET


WireEvent = PageView | WorkflowStarted | Interaction | GoalTriggered | GoalReached
DECODER: Final = msgspec.json.Decoder(WireEvent)
TYPES: Final[dict[type[WireEvent], EventType]] = {
    PageView: "page_view",
    WorkflowStarted: "workflow_started",
    Interaction: "interaction",
    GoalTriggered: "goal_triggered",
    GoalReached: "goal_reached",
}
SHAPES: Final[dict[str, type[WireEvent]]] = {name: shape for shape, name in TYPES.items()}
# The fields of events; every other field is unknown and ignored, whatever its value.
KNOWN_FIELDS: Final = frozenset(
    {"type", "id", "organization_id", "workflow_id", "visitor_id", "session_id", "timestamp", "goal", "purchase"}
)
