"""The organization, workflow and type of an event that can't be applied, as far as its bytes tell. Pure."""

import re
from typing import Final

from msgspec import Struct

from sidedata.events.decode import Event, canonical_uuid
from sidedata.events.lenient import parse_json, trim

_MAX_BYTES: Final = 1 << 20  # of a value that is searched; an event has 16 KiB at most
_MAX_TYPE: Final = 100
_FIELD: Final = rb'"%s"\s*:\s*"([^"\\]{1,100})"'
_ORGANIZATION: Final = re.compile(_FIELD % b"organization_id")
_WORKFLOW: Final = re.compile(_FIELD % b"workflow_id")
_TYPE: Final = re.compile(_FIELD % b"type")


class Identity(Struct, frozen=True):
    """Ids in lower case, and the type as it came; "" where the bytes don't tell."""

    organization: str = ""
    workflow: str = ""
    type: str = ""


def identity_of(event: Event) -> Identity:
    """The identity of a decoded event."""
    return Identity(event.organization_id, event.workflow_id or "", event.type)


def find_identity(raw: bytes) -> Identity:
    """Find the identity in bytes that are no event.

    Fields of a JSON object are read. Of other text, such as one that was cut off, a field counts if all of its values agree:
    an array may hold the events of several organizations.
    """
    if len(raw) > _MAX_BYTES:
        return Identity()
    parsed = parse_json(trim(raw))
    if isinstance(parsed, dict):
        organization, workflow, kind = (parsed.get(name) for name in ("organization_id", "workflow_id", "type"))
    else:
        organization, workflow, kind = (_only(pattern, raw) for pattern in (_ORGANIZATION, _WORKFLOW, _TYPE))
    return Identity(_uuid(organization), _uuid(workflow), _text(kind))


def _only(pattern: re.Pattern[bytes], raw: bytes) -> str:
    values = {value.lower() for value in pattern.findall(raw)}
    return values.pop().decode(errors="replace") if len(values) == 1 else ""


def _uuid(value: object) -> str:
    return (canonical_uuid(value) or "") if type(value) is str else ""


def _text(value: object) -> str:
    return value if type(value) is str and len(value) <= _MAX_TYPE and value.isprintable() else ""
