"""Dead letters, and the fields that hold one in its stream. Pure.

at        time of the commit that wrote it, RFC 3339
reason    see `rejection.Reason`
detail    a sentence
entry     id of the stream entry that brought the event
event     the event's bytes
organization, workflow, type   of the event, as far as its bytes tell; absent where they don't, and in letters of older versions
field:*   other fields of that entry, if it had a form of its own, so that nothing of it is lost
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from sidedata.events.decode import Event, canonical_uuid, decode_event
from sidedata.events.lenient import parse_json, trim
from sidedata.events.rejection import Rejection
from sidedata.events.rewrite import with_field
from sidedata.events.timestamps import LAST_MS, from_milliseconds

# Other fields that a dead letter holds one by one. Lua can't pass on many thousands at once, so more are packed into one field.
_MAX_FIELDS = 1_000
_MAX_BYTES: Final = 1 << 20  # of a value that is searched; an event has 16 KiB at most
_SEARCHED_FIELDS: Final = 10
_MAX_TYPE: Final = 100
_FIELD: Final = rb'"%s"\s*:\s*"([^"\\]{1,100})"'
_ORGANIZATION: Final = re.compile(_FIELD % b"organization_id")
_WORKFLOW: Final = re.compile(_FIELD % b"workflow_id")
_TYPE: Final = re.compile(_FIELD % b"type")
_PACKER = msgspec.msgpack.Encoder()


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


class DeadLetter(Struct):
    """An event that could not be applied.

    `id` is `<partition>/<id in its stream of dead letters>`, and `at` the time of its commit; both are "" until it is stored.
    `organization` and `workflow` are in lower case, and "" like `type` where the event doesn't tell.
    `fields` are names and values, in turn, of the other fields of its entry.
    """

    reason: str
    detail: str
    entry: str
    event: bytes
    fields: Sequence[bytes] = ()
    id: str = ""
    at: str = ""
    organization: str = ""
    workflow: str = ""
    type: str = ""

    @property
    def stream_id(self) -> str:
        """Its id in its stream of dead letters; "" until it is stored."""
        return self.id.partition("/")[2]

    @classmethod
    def of(
        cls,
        rejection: Rejection,
        entry: str,
        event: bytes,
        fields: Sequence[bytes] = (),
        decoded: Event | None = None,
    ) -> "DeadLetter":
        """The dead letter of an event that was rejected; `decoded` is what it reads as, if it was rejected later."""
        if decoded is not None:
            identity = identity_of(decoded)
        else:
            # Without an event, another field may hold it under a wrong name.
            identity = find_identity(event or b"".join(fields[1 : 2 * _SEARCHED_FIELDS : 2]))
        return cls(
            rejection.reason,
            rejection.detail,
            entry,
            event,
            fields,
            organization=identity.organization,
            workflow=identity.workflow,
            type=identity.type,
        )

    def stored_fields(self) -> list[str | bytes]:
        """The fields of the dead letter in its stream, names and values in turn, without `at`, which the commit adds."""
        stored: list[str | bytes] = [
            *("reason", self.reason),
            *("detail", self.detail),
            *("entry", self.entry),
            *("event", self.event),
        ]
        identity = (("organization", self.organization), ("workflow", self.workflow), ("type", self.type))
        for field, text in identity:
            if text:
                stored += (field, text)
        others = self.fields
        if len(others) > 2 * _MAX_FIELDS:
            others = (b"fields", _PACKER.encode(others))
        for name, value in zip(others[::2], others[1::2], strict=True):
            stored += (f"field:{name.decode(errors='replace')}", value)
        return stored


def parse(dead_letter_id: str, fields: Sequence[bytes]) -> DeadLetter:
    """Read a dead letter from its fields in the stream; a missing field is empty."""
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    texts = {name: value.decode(errors="replace") for name, value in pairs if name != b"event"}
    raw = dict(pairs).get(b"event", b"")
    # Letters of older versions don't have the fields of an identity.
    identity = find_identity(raw) if b"organization" not in fields[::2] else Identity()
    others = [part for name, value in pairs if name.startswith(b"field:") for part in (name[6:], value)]
    return DeadLetter(
        texts.get(b"reason", ""),
        texts.get(b"detail", ""),
        texts.get(b"entry", ""),
        raw,
        others,
        dead_letter_id,
        texts.get(b"at", ""),
        texts.get(b"organization", identity.organization),
        texts.get(b"workflow", identity.workflow),
        texts.get(b"type", identity.type),
    )


def with_entry_time(dead_letter: DeadLetter) -> bytes | None:
    """Add the time at which an event without a timestamp entered the stream.

    None for an event with one, for no event, and for a time beyond the calendar, which a timestamp can't hold.
    """
    event = decode_event(dead_letter.event)
    ms = dead_letter.entry.partition("-")[0]
    if isinstance(event, Rejection) or "timestamp" not in event.defaults:
        return None
    if not ms.isdecimal() or int(ms) > LAST_MS:
        return None
    return with_field(dead_letter.event, "timestamp", from_milliseconds(int(ms)))
