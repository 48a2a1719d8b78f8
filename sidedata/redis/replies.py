"""The shapes of Redis's replies (RESP2), and the one place where an untyped reply becomes a typed value.

A decoder checks the shape that its command promises. Another shape means a server or a proxy that is no Redis, so every
decoder raises `StopError` for it.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from sidedata.errors import StopError

Word = str | bytes | int | float  # an argument of a command
Command = Sequence[Word]
# An integer, a string (status replies included), an array, or nil. Error replies are raised, not returned.
Reply = int | bytes | list["Reply"] | None


def integer(reply: Reply) -> int:
    """Decode a number, which arrives as an integer or as its digits."""
    if isinstance(reply, int):
        return reply
    if isinstance(reply, bytes):
        return int(reply)
    raise _unexpected(reply, "a number")


def integer_or_zero(reply: Reply) -> int:
    """Decode a number where a missing one counts as 0."""
    return 0 if reply is None else integer(reply)


def milliseconds(reply: Reply) -> int:
    """Decode the answer of TIME, seconds and microseconds, to milliseconds since the epoch."""
    seconds, microseconds = array(reply)
    return integer(seconds) * 1000 + integer(microseconds) // 1000


def string(reply: Reply) -> bytes:
    """Decode a string that is there."""
    if isinstance(reply, bytes):
        return reply
    raise _unexpected(reply, "a string")


def optional_string(reply: Reply) -> bytes | None:
    """Decode a string that may be missing."""
    return None if reply is None else string(reply)


def text(reply: Reply) -> str:
    """Decode UTF-8 text that is there."""
    return string(reply).decode()


def optional_text(reply: Reply) -> str | None:
    """Decode UTF-8 text that may be missing."""
    return None if reply is None else string(reply).decode()


def array(reply: Reply) -> list[Reply]:
    """Decode an array; nil is an empty one, as XREAD answers where nothing came."""
    if isinstance(reply, list):
        return reply
    if reply is None:
        return []
    raise _unexpected(reply, "an array")


def strings(reply: Reply) -> list[bytes]:
    """Decode an array of strings."""
    items = array(reply)
    # One look at all types: an answer with many goals has half a million strings.
    return cast("list[bytes]", items) if set(map(type, items)) <= {bytes} else [string(item) for item in items]


def optional_strings(reply: Reply) -> list[bytes | None]:
    """Decode an array of strings of which some may be missing, as MGET and HMGET answer."""
    items = array(reply)
    if set(map(type, items)) <= {bytes, type(None)}:
        return cast("list[bytes | None]", items)
    return [optional_string(item) for item in items]


def mapping(reply: Reply) -> dict[bytes, bytes]:
    """Decode a hash, whose fields and values arrive in turn."""
    return dict(_pairs(reply))


def text_mapping(reply: Reply) -> dict[str, str]:
    """Decode a hash of UTF-8 texts."""
    return {name.decode(): value.decode() for name, value in _pairs(reply)}


def integer_mapping(reply: Reply) -> dict[str, int]:
    """Decode a hash of numbers; nil is an empty one."""
    return {name.decode(): int(value) for name, value in _pairs(reply)}


def scores(reply: Reply) -> list[tuple[bytes, float]]:
    """Decode members of a sorted set with their scores, which arrive in turn."""
    return [(member, float(score)) for member, score in _pairs(reply)]


def _pairs(reply: Reply) -> Iterable[tuple[bytes, bytes]]:
    flat = strings(reply)
    return zip(flat[::2], flat[1::2], strict=True)


Entry = tuple[bytes, list[bytes]]  # a stream entry: its id; names and values of its fields in turn


def entries(reply: Reply) -> list[Entry]:
    """Decode entries of a stream. Fields stay a list: a mapping would lose a field that an entry holds twice."""
    return [(string(entry), strings(fields)) for entry, fields in map(array, array(reply))]


def _unexpected(reply: Reply, expected: str) -> StopError:
    kind = {int: "a number", bytes: "a string", list: "an array", type(None): "nothing"}.get(type(reply), "a mapping")
    return StopError(f"Redis answered {kind} where {expected} was expected; is this a Redis?")
