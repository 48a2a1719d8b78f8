"""The table of keys in `sidedata/schema/table.py`: patterns, types, and which keys live without a TTL."""

import re
from typing import NamedTuple

from sidedata.schema.table import KEYS

UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PLACEHOLDERS = {
    "{p}": r"\{\d+\}",
    "<org>": UUID,
    "<workflow>": UUID,
    "<goal>": UUID,
    "<level>": "(?:5min|hour|day)",
    "<start>": r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?Z",
    "<role>": "(?:triggered|affected)",
    "<generation>": r"\d+",
    "<layer>": r"\d+",
    "<n>": r"\d+",
    "<hash>": "[0-9a-zA-Z_=-]+",
    "<token>": "[0-9a-zA-Z_-]+",
    "<second>": r"\d+",
    "<run>": "[0-9a-f]{8}",
    "<key>": ".+",
}
# Without a TTL, by the contract: streams, cursors and fences, configuration, tokens, organization and workflow records.
ENDLESS = {"sd:config", "sd:tokens", "sd:tokens:used", "sd:{p}:events", "sd:{p}:dead", "sd:{p}:cursor"}
ENDLESS |= {
    "sd:{p}:organization:<org>",
    "sd:{p}:organization:ids",
    "sd:{p}:workflow:<org>:<workflow>",
    "sd:{p}:workflows:<org>",
}


class Row(NamedTuple):
    """A row of the table, matched by a grammar of the tests' own."""

    pattern: str
    type: str
    endless: bool

    def matches(self, key: str) -> bool:
        """Tell if a key is of this row."""
        parts = re.split(r"(\{p\}|<\w+>)", self.pattern)
        expression = "".join(PLACEHOLDERS.get(part) or re.escape(part) for part in parts)
        return re.fullmatch(expression, key) is not None


def table() -> list[Row]:
    """The rows of the table."""
    return [Row(row.pattern, row.type, row.endless) for row in KEYS.values()]


TYPES = {
    "hash": "hash",
    "string": "string",
    "stream": "stream",
    "sorted set": "zset",
    "HyperLogLog": "string",
    "set of integers": "set",
    "list": "list",
    "any": "any",
}
