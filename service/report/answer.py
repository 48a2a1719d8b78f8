"""Answers as they are sent: JSON, entity tag and effective interval."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

_ENCODER = msgspec.json.Encoder()
# Of one workflow; a client that polls random intervals would not profit from more. Most have 2 KB, a timeline up to 130 KB.
_MOST_ANSWERS, _MOST_BYTES = 1_000, 4 << 20


class Answer(msgspec.Struct, frozen=True):
    """An encoded answer: its JSON, a quoted strong entity tag, the effective interval and the zone's rules as text."""

    body: bytes
    etag: str
    effective: str
    rules: str = "unknown"


class AnswerCache:
    """The answers of one revision of a workflow, by the key of their plan."""

    def __init__(self) -> None:
        self._answers: dict[tuple[object, ...], Answer] = {}
        self.size = 0  # bytes

    def get(self, key: tuple[object, ...]) -> Answer | None:
        """The answer of a plan, or None."""
        return self._answers.get(key)

    def add(self, key: tuple[object, ...], answer: Answer) -> None:
        """Cache an answer."""
        if len(self._answers) >= _MOST_ANSWERS or self.size > _MOST_BYTES:
            self.clear()
        self._answers[key] = answer
        self.size += len(answer.body)

    def clear(self) -> None:
        """Drop all answers."""
        self._answers.clear()
        self.size = 0


class Coverage(Protocol):
    """The part of a plan that is sent beside the figures."""

    @property
    def effective(self) -> str:
        """The effective interval as text."""
        ...

    @property
    def rules(self) -> str:
        """The release of the zone's rules, and their seam."""
        ...


def encode(figures: Mapping[str, object], plan: Coverage) -> Answer:
    """Encode the figures of a plan as JSON."""
    return answer_of(_ENCODER.encode(figures), plan)


def array(items: Sequence[object]) -> bytes:
    """Encode an array as JSON."""
    return _ENCODER.encode(items)


def answer_of(body: bytes, plan: Coverage, digest: bytes | None = None) -> Answer:
    """Make the answer of an encoded body; `digest` stands for it in the tag, and must be another one for another body."""
    # The tag covers the headers too: the same numbers over another interval, or by other rules, are another answer.
    tag = hashlib.blake2b(
        (body if digest is None else digest) + f"{plan.effective}\n{plan.rules}".encode(), digest_size=12
    ).hexdigest()
    return Answer(body, f'"{tag}"', plan.effective, plan.rules)
