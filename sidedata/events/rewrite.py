"""Fields that are added to an event's text, which otherwise stays as it came. Pure."""

import json
from typing import Final

from msgspec import Struct

from sidedata.events.decode import MAX_EVENT_BYTES
from sidedata.events.lenient import BLANKS, Number, parse_object, trim
from sidedata.events.rejection import Rejection
from sidedata.events.wire import SHAPES, Goal, Purchase

_NESTED: Final[tuple[tuple[str, type[Struct]], ...]] = (("goal", Goal), ("purchase", Purchase))


def with_field(raw: bytes, name: str, text: str) -> bytes:
    """Add a field to a JSON object; a field of that name counts no more, because of two with one name the last one counts.

    Where that makes an event too large which had the right size, its blanks and its unknown fields go.

    Args:
        raw: an object that `decode_event` reads.
        text: the field's value, of characters that JSON does not escape.
    """
    longer = append_field(raw, name, text)
    if len(longer) > MAX_EVENT_BYTES >= len(trim(raw)):
        return append_field(_known_fields(raw), name, text)
    return longer


def append_field(raw: bytes, name: str, text: str) -> bytes:
    """Add a field at the end of a JSON object, whatever size it gets; see `with_field`."""
    fields = trim(raw)[:-1].rstrip(BLANKS)
    comma = b"" if fields == b"{" else b","
    return b'%s%s"%s":"%s"}' % (fields, comma, name.encode(), text.encode())


def _known_fields(raw: bytes) -> bytes:
    """The object without blanks and without fields that its type doesn't have, in its goal and purchase neither."""
    parsed = parse_object(trim(raw))
    if isinstance(parsed, Rejection):
        return raw
    names = SHAPES[parsed["type"]].__struct_fields__
    fields = {name: value for name, value in parsed.items() if name == "type" or name in names}
    for name, shape in _NESTED:
        value = fields.get(name)
        if isinstance(value, dict):
            fields[name] = {inner: value[inner] for inner in shape.__struct_fields__}
    return _dump(fields).encode()


def _dump(value: object) -> str:
    """The JSON text of a parsed value, numbers digit by digit, without blanks."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{_dump(name)}:{_dump(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_dump, value))}]"
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text if text.isprintable() else json.dumps(value)
    return json.dumps(value)
