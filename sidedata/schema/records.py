"""The records of organizations and workflows: an organization's time zone, a workflow's kind and name. Pure.

No record is required: an organization without one is in UTC, and a workflow's first event makes its record. Events fix the zone
and the kind, because their buckets were cut and filled accordingly; neither changes afterwards.
"""

from typing import Final, get_args

from msgspec import Struct

from sidedata.errors import UsageError
from sidedata.events.decode import Kind, canonical_uuid

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DEFAULT_ZONE: Final = "UTC"
MAX_NAME_CHARACTERS: Final = 200


class OrganizationRecord(Struct, frozen=True, kw_only=True):
    """An organization's record; once it has events its time zone is fixed.

    `zone_rules` is the table of the zone's offsets with the release that they come from; None before the first event, or
    before a worker of this version has seen the organization.
    """

    id: str
    timezone: str
    has_events: bool
    name: str | None = None
    zone_rules: str | None = None


class WorkflowRecord(Struct, frozen=True, kw_only=True):
    """A workflow; `last_event_us` is its newest event's time in microseconds since the epoch, None before the first."""

    id: str
    organization: str
    kind: Kind
    name: str
    last_event_us: int | None


def parse_uuid(text: str) -> str:
    """Convert a UUID to lower case.

    Raises:
        UsageError: the text is no UUID.
    """
    canonical = canonical_uuid(text)
    if canonical is None:
        raise UsageError(f"not a UUID of 36 characters: {text!r}")
    return canonical


def parse_kind(text: str) -> Kind:
    """Read a workflow's kind.

    Raises:
        UsageError: there is no such kind.
    """
    for kind in KINDS:
        if kind == text:
            return kind
    raise UsageError(f"no such kind: {text!r}; a workflow is one of {', '.join(KINDS)}")


def is_valid_name(text: str) -> bool:
    """Tell if a name is short enough and can be stored: arguments of a command line may hold bytes that are no text."""
    return len(text) <= MAX_NAME_CHARACTERS and not any("\ud800" <= character <= "\udfff" for character in text)
