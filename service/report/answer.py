"""Answers as they are sent: JSON, entity tag and effective interval."""

import hashlib
from collections.abc import Mapping

import msgspec

_ENCODER = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """An encoded answer: its JSON, a quoted strong entity tag, the effective interval and the zone's rules as text."""

    body: bytes
    etag: str
    effective: str
    rules: str = "unknown"


def encode(figures: Mapping[str, object], effective: str, rules: str) -> Answer:
    """Encode the figures of an effective interval."""
    body = _ENCODER.encode(figures)
    # The tag covers the headers too: the same numbers over another interval, or by other rules, are another answer.
    tag = hashlib.blake2b(body + f"{effective}\n{rules}".encode(), digest_size=12).hexdigest()
    return Answer(body, f'"{tag}"', effective, rules)
