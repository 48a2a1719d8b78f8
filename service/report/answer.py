"""Answers as they are sent: JSON, entity tag and effective interval."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

_ENCODER = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """An encoded answer: its JSON, a quoted strong entity tag, and the effective interval as text."""

    body: bytes
    etag: str
    effective: str


class Coverage(Protocol):
    """The part of a plan that is sent beside the figures."""

    @property
    def effective(self) -> str:
        """The effective interval as text."""
        ...


def encode(figures: Mapping[str, object], plan: Coverage) -> Answer:
    """Encode the figures of a plan as JSON."""
    return answer_of(_ENCODER.encode(figures), plan)


def array(items: Sequence[object]) -> bytes:
    """Encode an array as JSON."""
    return _ENCODER.encode(items)


def answer_of(body: bytes, plan: Coverage) -> Answer:
    """Make the answer of an encoded body."""
    # The tag covers the interval too: the same numbers over another interval are another answer.
    tag = hashlib.blake2b(body + plan.effective.encode(), digest_size=12).hexdigest()
    return Answer(body, f'"{tag}"', plan.effective)
