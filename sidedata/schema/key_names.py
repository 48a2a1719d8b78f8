"""The parts of a key's name: the patterns of `table.KEYS` read backwards. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, get_args

import msgspec
from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.schema.keys import PARTITION, seconds_of
from sidedata.schema.table import KEYS, Key

# The type that Redis's TYPE answers, by the type that the table names.
STORED_TYPES: Final = {"sorted set": "zset", "HyperLogLog": "string", "set of integers": "set"}

_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER: Final = "0|[1-9][0-9]*"
_PARTS: Final = {
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
_NUMBERS: Final = {"generation", "layer", "number", "second"}
_PARTITION: Final = re.compile(rf"sd:\{{({_NUMBER})\}}:")

_Expressions = list[tuple[str, re.Pattern[str]]]  # each with its kind of key


def _expressions() -> tuple[_Expressions, dict[str, _Expressions]]:
    """The patterns of keys outside of partitions; of keys within one, without their common beginning, by their first word."""
    outside: _Expressions = []
    within: defaultdict[str, _Expressions] = defaultdict(list)
    for kind, key in KEYS.items():
        name = key.pattern.removeprefix(PARTITION)
        expression = re.compile("".join(_PARTS.get(part) or re.escape(part) for part in re.split(r"(<\w+>)", name)))
        if name == key.pattern:
            outside.append((kind, expression))
            continue
        word = name.partition(":")[0]
        for first in get_args(Level) if word == "<level>" else (word,):
            within[first].append((kind, expression))
    return outside, dict(within)


_OUTSIDE, _WITHIN = _expressions()


class KeyName(Struct, frozen=True, kw_only=True):
    """A key's name in its parts; `start` is the bucket's start in seconds since the epoch, and absent parts are None."""

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
    def row(self) -> Key:
        """The key's row of the table."""
        return KEYS[self.kind]

    @property
    def is_bucket(self) -> bool:
        """The key holds counts or a sketch of a bucket."""
        return self.level is not None

    @property
    def stored_type(self) -> str:
        """The key's type as Redis's TYPE answers it; "any" for a shadow's."""
        return STORED_TYPES.get(self.row.type, self.row.type)

    @property
    def stands_for(self) -> str:
        """The live key that a key of a shadow is built for."""
        return f"sd:{{{self.partition}}}:{self.key}"


def parse(name: str) -> KeyName | None:
    """Parse a key's name; None if it fits no pattern of the table."""
    beginning = _PARTITION.match(name)
    if beginning is None:
        return _match(name, _OUTSIDE, None)
    try:
        partition = int(beginning[1])
    except ValueError:
        return None  # more digits than Python reads
    return parse_within(name[beginning.end() :], partition)


def parse_within(name: str, partition: int | None = None) -> KeyName | None:
    """Parse the name of a partition's key without the keyspace's prefix, which live and shadow keys have in common."""
    return _match(name, _WITHIN.get(name.partition(":")[0], ()), partition)


def _match(name: str, expressions: Iterable[tuple[str, re.Pattern[str]]], partition: int | None) -> KeyName | None:
    for kind, expression in expressions:
        if match := expression.fullmatch(name):
            try:
                parts = {part: _value(part, text) for part, text in match.groupdict().items()}
            except ValueError:
                return None  # no such day in the calendar
            return msgspec.convert({"kind": kind, "partition": partition, **parts}, KeyName)
    return None


def _value(part: str, text: str) -> int | str:
    if part in _NUMBERS:
        return int(text)
    if part == "start":
        return seconds_of(text)
    return text
