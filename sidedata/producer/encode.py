"""Events as programs hold them, turned into the JSON that a worker accepts, each with an id. Pure but for new ids."""

import json
import math
import os
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import msgspec

from sidedata.events.decode import MAX_EVENT_BYTES, decode_event
from sidedata.events.lenient import trim
from sidedata.events.rejection import TOO_DEEP, Rejection
from sidedata.events.rewrite import append_field
from sidedata.producer.errors import InvalidEvent


class Encoded(NamedTuple):
    """An event ready for the stream: its organization in lower case, its JSON with an id."""

    organization_id: str
    raw: bytes


def encode(event: Mapping[str, Any] | bytes) -> Encoded:
    """Check an event as a worker would, and give it an id if it has none.

    Args:
        event: a mapping, whose values may be datetime, UUID and Decimal; None means absent. Or the bytes of a JSON object,
            which stay as they are but for the id; a byte order mark at their start is skipped.

    Raises:
        InvalidEvent: a worker would refuse it.
    """
    if isinstance(event, bytes):
        raw = trim(event)
    elif isinstance(event, Mapping):
        raw = _json(event)
    else:
        raise InvalidEvent(f"an event is a mapping or the bytes of a JSON object, not {type(event).__name__}")
    decoded = decode_event(raw)
    if isinstance(decoded, Rejection):
        _refuse(decoded.detail, decoded.pointer)
    if decoded.id is None:
        raw = append_field(raw, "id", new_id())
        if len(raw) > MAX_EVENT_BYTES:
            _refuse(f"the event has {len(raw)} bytes with its id, {MAX_EVENT_BYTES} are allowed")
    return Encoded(decoded.organization_id, raw)


def new_id() -> str:
    """A UUID of version 7, which sorts by time to the millisecond."""
    random_bits = int.from_bytes(os.urandom(10))
    high = (time.time_ns() // 1_000_000) << 16 | 0x7000 | random_bits >> 68
    return str(uuid.UUID(int=high << 64 | 0b10 << 62 | random_bits & (1 << 62) - 1))


def _json(event: Mapping[str, Any]) -> bytes:
    fields = {name: value for name, value in event.items() if value is not None}
    timestamp, purchase = fields.get("timestamp"), fields.get("purchase")
    if isinstance(timestamp, datetime) and timestamp.utcoffset() is None:
        _refuse("/timestamp: a datetime without a time zone", "/timestamp")
    if isinstance(purchase, Mapping) and isinstance(value := purchase.get("value"), Decimal):
        fields["purchase"] = {**purchase, "value": f"{value:f}"}  # plain digits: str() may write an exponent
    try:
        try:
            return msgspec.json.encode(fields, enc_hook=_builtin)
        except UnicodeEncodeError:
            # Half of a surrogate pair has no UTF-8. In an unknown field it is harmless, so it stays, as an escape.
            plain = msgspec.to_builtins(fields, enc_hook=_builtin)
            _replace_non_finite(plain)
            return json.dumps(plain).encode()
    except RecursionError as error:
        raise InvalidEvent(TOO_DEEP.detail) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidEvent(f"the event has no form in JSON: {error}") from error


def _replace_non_finite(fields: dict[str, Any]) -> None:
    """Put None in place of each float that JSON lacks, as msgspec encodes it; without recursion, for 500 levels."""
    containers: list[Any] = [fields]
    while containers:
        container = containers.pop()
        for place, value in list(container.items() if isinstance(container, dict) else enumerate(container)):
            if isinstance(value, tuple):
                container[place] = value = list(value)  # noqa: PLW2901 - the same value in a form that can be changed
            if isinstance(value, dict | list):
                containers.append(value)
            elif isinstance(value, float) and not math.isfinite(value):
                container[place] = None


def _builtin(value: object) -> object:
    """A value that msgspec knows, for one whose class it does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):  # a subclass, such as a template engine's
        return str.__str__(value)
    raise TypeError(f"it holds a value of type {type(value).__name__}")


def _refuse(detail: str, pointer: str = "") -> NoReturn:
    error = InvalidEvent(detail)
    error.pointer = pointer
    raise error
