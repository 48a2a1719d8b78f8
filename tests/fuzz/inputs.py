"""Broken input from good input: mutations of JSON texts, made quickly and the same for the same seed."""

import json
import random
import re

from tests.support.constants import ORG
from tests.support.events import GOAL, PAGES, POPUP

_COMMON = {
    "organization_id": ORG,
    "workflow_id": POPUP,
    "visitor_id": "v-1",
    "session_id": "s-1",
    "timestamp": "2026-11-23T22:00:00.123456+02:00",
}
_GOAL = {"uuid": GOAL, "name": "System: Visitor purchased"}
_OUTER = {name: value for name, value in _COMMON.items() if name != "workflow_id"}
GOOD: tuple[bytes, ...] = tuple(
    json.dumps(value).encode()
    for value in (
        {"type": "page_view", **_COMMON, "workflow_id": PAGES, "id": "e-1"},
        {"type": "workflow_started", **_COMMON},
        {"type": "interaction", **_COMMON, "unknown": {"a": [1, 2.5, None, True]}},
        {"type": "goal_triggered", **_COMMON, "goal": _GOAL},
        {"type": "goal_reached", **_OUTER, "goal": _GOAL, "purchase": {"value": 12.5, "currency": "EUR"}},
        {"type": "goal_reached", **_OUTER, "goal": _GOAL, "purchase": {"value": "0.0001", "currency": "USD"}},
    )
)

MOMENTS = (
    *("0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "0001-01-04T00:00:00-23:59:59.999999"),
    *("9999-12-31", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "9999-12-28T23:59:59", "0000-01-01"),
    *("2016-12-31T23:59:60Z", "2016-12-31T23:59:60.999999999+00:00", "2026-11-23T23:59:60+05:30", "2026-11-23T24:00"),
    *("2026-W48-1", "2026W481T10", "20261123T100000+0200", "2026-327", "2026-11-23", "2026-11-23 10:00:00 02:00"),
    *("2026-03-29T03:30:00", "2026-10-25T03:30:00", "2026-04-05T01:45:00", "2011-12-30T12:00:00", "1883-11-18T12:00"),
    *("2026-11-23T10:00:00.1234567890123Z", "2026-11-23T10:00:00,5Z", "2026-11-23T10:00:00+00:00:00.000001", "now"),
    *("2026-02-30T00:00:00Z", "2026-11-23T10:00:00+24:00", "2026-11-23T10:00:00-00:60", "-2026-11-23", "+002026-11-23"),
    *(
        "\u0662\u0660\u0662\u0666-11-23",
        "2026-11-23T10:00:00\u200bZ",
        "",
        " ",
        "2026-11-23T10:00:00Z ",
        "1970-01-01T00:00:00Z",
        "4000-01-01",
    ),
)
_LONG_DIGITS = b"1" + b"0" * 400
NASTY: tuple[bytes, ...] = (
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-0",
        b"0.00001",
        b"1E5",
        b"00",
        b"+1",
        b".5",
        b"5.",
        b"0x1",
        b"1_0",
    ),
    *(
        _LONG_DIGITS,
        b"0." + _LONG_DIGITS,
        b'"' + _LONG_DIGITS + b'"',
        b"9" * 5000,
        b"1000000000000.0001",
        b"18446744073709551616",
    ),
    *(
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\x80"',
        b"\xef\xbb\xbf",
        b'"\\u0000"',
    ),
    *(
        b'"\x00"',
        b"\x00",
        b'"\\',
        b'"\\x"',
        b'"\\u12"',
        b'""',
        b'"' + b"x" * 257 + b'"',
        b'"' + b"\xf0\x9f\x98\x80" * 256 + b'"',
    ),
    *(b"[" * 50, b"[" * 2000, b"[" * 2000 + b"]" * 2000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b"{" * 600, b"]" * 600),
    *(
        b"null",
        b"true",
        b"{}",
        b"[]",
        b"[[]]",
        b'{"a":1,"a":2}',
        b'{"":0}',
        b'"type":"page_view",',
        b"/*c*/",
        b"'",
        b"\r",
        b"\n",
        b"\t",
    ),
    *(
        ORG.upper().encode(),
        ORG.replace("-", "").encode(),
        b"0f4e2a6c\\u002d58b1",
        b"x" * 17_000,
        b"\xe2\x80\xa8",
        b"\x7f",
    ),
    *(b'"' + moment.encode() + b'"' for moment in MOMENTS),
)
# Values of a JSON text, which are worth replacing as a whole.
_VALUE = re.compile(rb'(?<=[:,\[])\s*(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)')


def mutated(dice: random.Random, text: bytes) -> bytes:
    """The text with some random damage."""
    for _ in range(1 + int(dice.random() ** 3 * 6)):
        text = _OPERATIONS[int(dice.random() * len(_OPERATIONS))](dice, text)
    return text


def _place(dice: random.Random, text: bytes) -> int:
    return int(dice.random() * (len(text) + 1))


def _value(dice: random.Random, text: bytes) -> bytes:
    found = [match.span() for match in _VALUE.finditer(text)]
    if not found:
        return text
    start, end = dice.choice(found)
    return text[:start] + dice.choice(NASTY) + text[end:]


def _insert(dice: random.Random, text: bytes) -> bytes:
    at = _place(dice, text)
    return text[:at] + dice.choice(NASTY) + text[at:]


def _delete(dice: random.Random, text: bytes) -> bytes:
    at = _place(dice, text)
    return text[:at] + text[at + 1 + int(dice.random() * 8) :]


def _repeat(dice: random.Random, text: bytes) -> bytes:
    start, end = sorted((_place(dice, text), _place(dice, text)))
    return text[:end] + text[start:]


def _flip(dice: random.Random, text: bytes) -> bytes:
    if not text:
        return text
    at = int(dice.random() * len(text))
    return text[:at] + bytes([text[at] ^ (1 << int(dice.random() * 8))]) + text[at + 1 :]


def _cut(dice: random.Random, text: bytes) -> bytes:
    return text[: _place(dice, text)]


def _wrap(dice: random.Random, text: bytes) -> bytes:
    return dice.choice((b"[%b]", b'{"a":%b}', b" %b ", b"%b,", b'"%b"')) % text


_OPERATIONS = (_value, _value, _value, _value, _insert, _delete, _repeat, _flip, _cut, _wrap)
