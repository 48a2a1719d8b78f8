"""JSON arrays of events: joined from their elements and split into them, byte for byte. Pure.

Events come in arrays by the stream and over HTTP, and in both an element that is no event must not cost its neighbours anything.
So an array that the compiled decoder refuses is split by its strings and brackets alone, and each element is judged by itself.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from sidedata.events.lenient import BLANKS, parse_json, trim
from sidedata.events.rejection import Rejection

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
# The tokens that decide where an element ends: whole strings, brackets, commas. A string that doesn't end takes the rest, once:
# possessive, so that a long one costs no second look.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)|[\[\]{},]', re.DOTALL)


def join_array(elements: Iterable[bytes]) -> bytes:
    """Make an array of elements, each the text of a JSON value."""
    return b"[%b]" % b",".join(elements)


def split_array(value: bytes, most: int) -> list[bytes] | Rejection:
    """Split an array into its elements; an element may be no JSON. Of more than `most` elements some may be left out."""
    try:
        return list(map(bytes, _ARRAY.decode(value)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return split_leniently(value, most)


def split_leniently(value: bytes, most: int) -> list[bytes] | Rejection:
    """Split an array that the compiled decoder refused: no array, or an element that spoils it for its neighbours."""
    body = trim(value)
    if body.startswith(b"["):
        elements = _elements(body, most)
        return Rejection("invalid_json", "strings and brackets don't close") if elements is None else elements
    parsed = parse_json(body)
    if isinstance(parsed, Rejection):
        return parsed
    return Rejection("invalid_event", "not a JSON array")


def _elements(body: bytes, most: int) -> list[bytes] | None:
    """The texts between the commas of the outermost brackets; None if strings and brackets don't close where the text ends."""
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(body):
        mark = token[0]
        if len(mark) == 1:
            depth += (mark in b"[{") - (mark in b"]}")
        if (mark == b"," and depth == 1) or depth == 0:
            elements.append(body[start : token.start()].strip(BLANKS))
            start = token.end()
            if len(elements) > most:
                return elements
        if depth == 0:
            break
    if depth or start != len(body) or not body.endswith(b"]"):
        return None
    return [] if elements == [b""] else elements
