"""The split of a JSON array into its elements, for arrays that the compiled decoder refuses. Pure.

Events come in arrays by the stream and over HTTP, and in both an element that is no event must not cost its neighbours anything.
"""

import json
import re
from typing import NoReturn

from sidedata.events.decode import Rejection

# The tokens that decide where an element ends: whole strings, brackets, commas.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def split_leniently(events: bytes) -> list[bytes] | Rejection:
    """Split an array that the fast decoder refused: no array, no JSON, or an element that spoils it for its neighbours.

    Half a surrogate pair and deep nesting are such elements: JSON by its grammar, but the decoder can't step over them.
    """
    try:
        value = json.loads(events.decode(), parse_int=str, parse_constant=_refuse_constant)
    except RecursionError:
        value = None  # too deep to be checked; the element that is too deep becomes a dead letter of its own
    except ValueError as error:
        return Rejection("invalid_json", str(error))
    body = events.strip(b" \t\r\n")
    if not (body.startswith(b"[") and body.endswith(b"]")):
        return Rejection("invalid_event", "`events` is not an array")
    if value == []:
        return []
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(body):
        mark = token[0]
        depth += (mark in b"[{") - (mark in b"]}") if len(mark) == 1 else 0
        if (mark == b"," and depth == 1) or depth == 0:
            elements.append(body[start : token.start()].strip(b" \t\r\n"))
            start = token.end()
        if depth == 0:
            break
    # Brackets that don't pair up leave a rest that belongs to no element for certain: all of it is one dead letter.
    return elements if start == len(body) else Rejection("invalid_json", "the array's brackets don't pair up")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
