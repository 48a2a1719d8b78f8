"""Dead letters, and the fields that hold one in its stream. Pure.

at        time of the commit that wrote it, RFC 3339
reason    see `decode.Reason`
detail    a sentence
entry     id of the stream entry that brought the event
event     the event's bytes
organization, workflow, type   of the event, as far as its bytes tell; absent where they don't, and in letters of older versions
field:*   other fields of that entry, if it had a form of its own, so that nothing of it is lost
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from sidedata.events.decode import Event
from sidedata.events.identity import find_identity, identity_of
from sidedata.events.lenient import parse_object, trim
from sidedata.events.rejection import Rejection
from sidedata.events.rewrite import with_field
from sidedata.events.timestamps import from_milliseconds

# Other fields that a dead letter holds one by one. Lua can't pass on many thousands at once, so more are packed into one field.
_MAX_FIELDS = 1_000
_PACKER = msgspec.msgpack.Encoder()


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
        identity = find_identity(event) if decoded is None else identity_of(decoded)
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


def parse(letter_id: str, fields: Sequence[bytes]) -> DeadLetter:
    """Read a dead letter from its fields in the stream; a missing field is empty."""
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    texts = {name: value.decode(errors="replace") for name, value in pairs if name != b"event"}
    others = [part for name, value in pairs if name.startswith(b"field:") for part in (name[6:], value)]
    return DeadLetter(
        texts.get(b"reason", ""),
        texts.get(b"detail", ""),
        texts.get(b"entry", ""),
        dict(pairs).get(b"event", b""),
        others,
        letter_id,
        texts.get(b"at", ""),
        texts.get(b"organization", ""),
        texts.get(b"workflow", ""),
        texts.get(b"type", ""),
    )


def with_entry_time(letter: DeadLetter) -> bytes | None:
    """The event of a dead letter with the time at which it entered the stream, if it has no timestamp; None if it has one."""
    fields = parse_object(trim(letter.event))
    ms = letter.entry.partition("-")[0]
    if isinstance(fields, Rejection) or fields.get("timestamp") is not None or not ms.isdecimal():
        return None
    return with_field(letter.event, "timestamp", from_milliseconds(int(ms)))
