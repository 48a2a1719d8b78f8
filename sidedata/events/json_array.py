"""Where the elements of a JSON array begin and end, for arrays that the prepared decoder refuses. Pure.

Events come in arrays by the stream and over HTTP, and one that is no event must not cost its neighbours anything in either.
"""

import json
import re
from typing import NoReturn

from sidedata.events.decode import Fault

# What matters for telling where an element ends: strings as a whole, brackets, commas.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def split_slowly(events: bytes) -> list[bytes] | Fault:
    """Split what the fast decoder refused: no array, no JSON, or an element that spoils it for its neighbours.

    Half a surrogate pair and deep nesting are such elements: JSON by its grammar, but nothing that the decoder steps over.
    """
    try:
        value = json.loads(events.decode(), parse_int=str, parse_constant=_no_constant)
    except RecursionError:
        value = None  # too deep to be checked; the element that is gets a letter of its own
    except ValueError as error:
        return Fault("invalid_json", str(error))
    body = events.strip(b" \t\r\n")
    if not (body.startswith(b"[") and body.endswith(b"]")):
        return Fault("invalid_event", "`events` is not an array")
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
    # Brackets that don't pair up leave something over, and nobody can tell whose it is: all of it is one letter.
    return elements if start == len(body) else Fault("invalid_json", "the array's brackets don't pair up")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
