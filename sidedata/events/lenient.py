"""The reading of events that the compiled decoder refuses: it names the mistake, or reads past unknown fields. Pure.

JSON may hold what the decoder can't step over: half of a surrogate pair in an unknown field, a byte order mark in front. Python's
own reader can. It takes some twenty times as long, so an event comes here only after the decoder has refused it.
"""

import json
from typing import Any, Final, NoReturn

from msgspec import Raw

from sidedata.events.rejection import TOO_DEEP, Rejection, reject
from sidedata.events.wire import (
    KNOWN_FIELDS,
    SHAPES,
    TYPES,
    Goal,
    GoalReached,
    Purchase,
    WireEvent,
)

BOM: Final = b"\xef\xbb\xbf"
BLANKS: Final = b" \t\r\n"
_NAMES: Final = tuple(TYPES.values())
_MAX_LENGTHS: Final = {"id": 128, "visitor_id": 256, "session_id": 256, "goal/name": 200}


class Number(str):
    """The text of a JSON number; it must not be read as a float, and Python refuses integers of thousands of digits."""

    __slots__ = ()


def trim(raw: bytes) -> bytes:
    """Remove the blanks of JSON around a text, and a byte order mark at its start."""
    return raw.strip(BLANKS).removeprefix(BOM).strip(BLANKS)


def parse_json(raw: bytes) -> object | Rejection:
    """Parse JSON whose numbers become `Number`; of fields with one name the last one counts."""
    try:
        # Always from text: given bytes, json.loads would guess at UTF-16 and let halves of surrogate pairs pass as UTF-8.
        value: object = json.loads(raw.decode(), parse_int=Number, parse_float=Number, parse_constant=_refuse_constant)
    except RecursionError:
        return TOO_DEEP
    except UnicodeDecodeError as error:
        return Rejection("invalid_json", f"the text is not UTF-8 at byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return Rejection("invalid_json", f"the text is not JSON at character {error.pos + 1}")
    except ValueError as error:
        return Rejection("invalid_json", str(error))
    return value


def parse_object(raw: bytes) -> dict[str, Any] | Rejection:
    """Parse one JSON object, as `parse_json` does."""
    value = parse_json(raw)
    if isinstance(value, Rejection | dict):
        return value
    return Rejection("invalid_event", f"not a JSON object but {_noun(value)}")


def read_fields(fields: dict[str, Any], *, needs_organization: bool) -> WireEvent:
    """Read the known fields of an event, as the compiled decoder would, and ignore all others.

    Args:
        needs_organization: refuse an event without `organization_id`.

    Raises:
        RejectionError: the event is refused, for the mistake that the error names.
    """
    # A null is as good as an absent field, wherever the field is optional; where it is required, either is missing.
    present = {name: value for name in KNOWN_FIELDS if (value := fields.get(name)) is not None}
    event_type = present.pop("type", None)
    shape = SHAPES.get(event_type) if type(event_type) is str else None
    if event_type is not None and shape is None:
        reject("/type", f"{_quoted(event_type)} is not one of {', '.join(_NAMES)}")
    _require(present, shape, needs_organization=needs_organization)
    assert shape is not None  # noqa: S101 - `type` is required, too
    values: dict[str, Any] = {}
    for name in shape.__struct_fields__:
        value = present.get(name)
        if value is None:
            continue
        if name == "goal":
            value = _goal(value)
        elif name == "purchase":
            value = _purchase(value)
        elif name == "workflow_id" and shape is GoalReached:
            value = Raw(b"0")  # refused, whatever it is
        else:
            value = _text(name, value)
        values[name] = value
    return shape(**values)


def _require(fields: dict[str, Any], shape: type[WireEvent] | None, *, needs_organization: bool) -> None:
    """Refuse an event that lacks required fields, naming all of them; without a type, those that every event needs."""
    required = ["organization_id"] if needs_organization else []
    if shape is None:
        required = ["type", *required, "visitor_id", "session_id"]
    else:
        required += [
            name for name in shape.__struct_fields__ if name in ("workflow_id", "visitor_id", "session_id", "goal")
        ]
        if shape is GoalReached:
            required.remove("workflow_id")
    missing = [name for name in required if name not in fields]
    if missing:
        _missing("", missing)


def _missing(parent: str, names: list[str]) -> NoReturn:
    """Refuse an event for missing fields; the pointer is that of the field if it is only one."""
    if len(names) == 1:
        reject(f"{parent}/{names[0]}", "missing")
    reject(parent, f"missing: {', '.join(names)}")


def _text(path: str, value: object) -> str:
    pointer = f"/{path}"
    if type(value) is not str:
        reject(pointer, f"must be a string, not {_noun(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        reject(pointer, "holds half of a surrogate pair, which is no text")
    most = _MAX_LENGTHS.get(path)
    if most is not None and not 1 <= len(value) <= most:
        reject(pointer, f"must have 1 to {most} characters, not {len(value)}")
    return value


def _goal(value: object) -> Goal:
    fields = _object("/goal", value, ["uuid", "name"])
    return Goal(_text("goal/uuid", fields["uuid"]), _text("goal/name", fields["name"]))


def _purchase(value: object) -> Purchase:
    fields = _object("/purchase", value, ["value", "currency"])
    amount = fields["value"]
    if type(amount) is Number:
        raw = amount.encode()
    elif type(amount) is str:
        raw = json.dumps(_text("purchase/value", amount)).encode()
    else:
        reject_amount(amount)
    return Purchase(Raw(raw), _text("purchase/currency", fields["currency"]))


def reject_amount(value: object) -> NoReturn:
    """Refuse the value of a purchase that is neither a number nor a string."""
    if value is None:
        _missing("/purchase", ["value"])
    reject("/purchase/value", f"must be a number or a decimal string, not {_noun(value)}")


def _object(pointer: str, value: object, names: list[str]) -> dict[str, Any]:
    """The fields of an object that has all of `names`."""
    if not isinstance(value, dict):
        reject(pointer, f"must be an object, not {_noun(value)}")
    missing = [name for name in names if value.get(name) is None]
    if missing:
        _missing(pointer, missing)
    return value


def _noun(value: object) -> str:
    """The kind of a JSON value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _quoted(value: object) -> str:
    """A value as an answer repeats it: a short string in quotes, and the kind of anything else."""
    if type(value) is not str:
        return _noun(value)
    shown = value if len(value) <= 40 else f"{value[:40]}…"
    return json.dumps(shown, ensure_ascii=not shown.isprintable())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
