"""What a key's name says: the grammar of `sidedata.schema.keys`, read backwards. Pure.

The patterns are those of the table in `sidedata.schema.keys`, letter for letter; a test holds the one against the other.
"""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from sidedata.calendar.levels import Level


class Kind(NamedTuple):
    """A row of the table of keys: its pattern, its type in Redis, what it holds, and whether it lives for ever."""

    pattern: str
    type: str
    holds: str
    endless: bool = False


_BUCKET: Final = "sd:{p}:<level>:<org>:<workflow>:<start>:"

KINDS: Final[dict[str, Kind]] = {
    "config": Kind("sd:config", "hash", "the facts that all processes of the installation share", endless=True),
    "tokens": Kind("sd:tokens", "hash", "tokens: the hash of each and its record", endless=True),
    "tokens used": Kind("sd:tokens:used", "hash", "when each token was last used", endless=True),
    "workers": Kind("sd:workers", "zset", "the live workers by their last heartbeat"),
    "rate": Kind("sd:rate:<token>:<second>", "string", "how many requests a token made in one second"),
    "events": Kind("sd:{p}:events", "stream", "the ingest stream: entries that are not applied yet", endless=True),
    "dead": Kind("sd:{p}:dead", "stream", "dead letters: events that could not be applied", endless=True),
    "dead anew": Kind("sd:{p}:dead:anew", "stream", "dead letters that stay while a purge takes others away"),
    "cursor": Kind(
        "sd:{p}:cursor", "hash", "how far the partition is applied, and the fence that guards it", endless=True
    ),
    "lease": Kind("sd:{p}:lease", "string", "the worker that owns the partition"),
    "organization": Kind("sd:{p}:organization:<org>", "hash", "an organization's record", endless=True),
    "workflows": Kind(
        "sd:{p}:workflows:<org>", "zset", "an organization's workflows by their newest event", endless=True
    ),
    "workflow": Kind("sd:{p}:workflow:<org>:<workflow>", "hash", "a workflow's record", endless=True),
    "changes": Kind("sd:{p}:changes:<org>:<workflow>", "zset", "which buckets of a workflow changed last"),
    "goal": Kind("sd:{p}:goal:<org>:<goal>", "string", "the name that a goal goes by"),
    "visitors": Kind(_BUCKET + "visitors", "string", "a sketch of the bucket's visitors"),
    "sessions": Kind(_BUCKET + "sessions", "string", "a sketch of the bucket's sessions"),
    "counts": Kind(_BUCKET + "counts", "hash", "the bucket's exact counts"),
    "goal visitors": Kind(_BUCKET + "<role>:<goal>:visitors", "string", "a sketch of the visitors behind a goal"),
    "goal sessions": Kind(_BUCKET + "<role>:<goal>:sessions", "string", "a sketch of the sessions behind a goal"),
    "ids": Kind("sd:{p}:ids:<generation>:<layer>:<n>", "set", "hashes of the ids of applied events"),
    "visitor": Kind("sd:{p}:visitor:<org>:<hash>", "hash", "what attribution remembers of a visitor"),
    "shadow": Kind("sd:{p}:rebuild:<run>:<key>", "any", "what a rebuild has built and not put in place"),
    "swap": Kind("sd:{p}:swap:<run>", "list", "steps that are left of putting in place what a rebuild has built"),
}

_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER: Final = "0|[1-9][0-9]*"
_PARTS: Final = {
    "{p}": rf"\{{(?P<partition>{_NUMBER})\}}",
    "<org>": f"(?P<organization>{_UUID})",
    "<workflow>": f"(?P<workflow>{_UUID})",
    "<goal>": f"(?P<goal>{_UUID})",
    "<level>": "(?P<level>5min|hour|day)",
    "<start>": "(?P<start>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?Z)",
    "<role>": "(?P<role>triggered|affected)",
    "<generation>": f"(?P<generation>{_NUMBER})",
    "<layer>": f"(?P<layer>{_NUMBER})",
    "<n>": f"(?P<number>{_NUMBER})",
    "<hash>": "(?P<visitor>[0-9a-f]+)",
    "<token>": "(?P<token>[0-9A-Za-z_-]+)",
    "<second>": f"(?P<second>{_NUMBER})",
    "<run>": "(?P<run>[0-9a-f]{8})",
    "<key>": "(?P<key>.+)",
}
_NUMBERS: Final = {"partition", "generation", "layer", "number", "second"}


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{p\}|<\w+>)", pattern)
    return re.compile("".join(_PARTS.get(part) or re.escape(part) for part in parts))


_EXPRESSIONS: Final = {name: _expression(kind.pattern) for name, kind in KINDS.items()}


class KeyName(Struct, frozen=True, kw_only=True):
    """A key's name in its parts; `start` is the bucket's start in seconds since the epoch, and what it lacks is None."""

    kind: str
    partition: int | None = None
    organization: str | None = None
    workflow: str | None = None
    goal: str | None = None
    level: Level | None = None
    start: int | None = None
    role: str | None = None
    generation: int | None = None
    layer: int | None = None
    number: int | None = None
    visitor: str | None = None
    token: str | None = None
    second: int | None = None
    run: str | None = None
    key: str | None = None

    @property
    def about(self) -> Kind:
        """The row of the table that it is of."""
        return KINDS[self.kind]

    @property
    def stands_for(self) -> str:
        """The live key that a key of a shadow is built for."""
        return f"sd:{{{self.partition}}}:{self.key}"


def parse(name: str) -> KeyName | None:
    """The parts of a key's name; None if no function of `sidedata.schema.keys` makes such a name."""
    for kind, expression in _EXPRESSIONS.items():
        if match := expression.fullmatch(name):
            try:
                parts = {part: _value(part, text) for part, text in match.groupdict().items()}
            except ValueError:
                return None  # no such day in the calendar
            return msgspec.convert({"kind": kind, **parts}, KeyName)
    return None


def _value(part: str, text: str) -> int | str:
    if part in _NUMBERS:
        return int(text)
    if part == "start":
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    return text
