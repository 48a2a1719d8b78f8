"""The refusal of an event: a reason, a sentence in a producer's words, a JSON pointer. Pure."""

from typing import Final, Literal, NoReturn

from msgspec import Struct

Reason = Literal[
    "invalid_json",
    "invalid_event",
    "too_large",
    "wrong_partition",
    "too_old",
    "in_future",
    "workflow_kind_mismatch",
]


class Rejection(Struct, frozen=True):
    """The reason why an event can't be applied, with a sentence for its dead letter and a JSON pointer ("" for the whole event)."""

    reason: Reason
    detail: str
    pointer: str = ""

    @property
    def sentence(self) -> str:
        """The detail without the pointer in front of it, for answers that give the pointer by itself."""
        return self.detail.removeprefix(f"{self.pointer}: ") if self.pointer else self.detail


TOO_OLD: Final = Rejection("too_old", "before the days that are kept", "/timestamp")
IN_FUTURE: Final = Rejection("in_future", "more than 5 minutes ahead of its stream entry", "/timestamp")
TOO_DEEP: Final = Rejection("invalid_event", "nested too deeply: 500 levels are read")


def kind_mismatch(event_type: str, kind: str, fixed: str) -> Rejection:
    """The refusal of an event that belongs to workflows of another kind than its workflow is."""
    detail = f"{event_type} belongs to {kind} workflows; this one is {fixed}"
    return Rejection("workflow_kind_mismatch", detail, "/workflow_id")


class RejectionError(Exception):
    """An event that is refused while its fields are read."""

    def __init__(self, pointer: str, detail: str) -> None:
        self.rejection = Rejection("invalid_event", f"{pointer}: {detail}" if pointer else detail, pointer)


def reject(pointer: str, detail: str) -> NoReturn:
    """Refuse an event because of one of its fields.

    Raises:
        RejectionError: always.
    """
    raise RejectionError(pointer, detail)
