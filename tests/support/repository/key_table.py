"""The table of keys in `sidedata.schema.keys`, read: patterns, types, and which keys live without a TTL."""

import re
from typing import NamedTuple

from sidedata.schema import keys

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
ENDLESS |= {"sd:{p}:organization:<org>", "sd:{p}:workflow:<org>:<workflow>", "sd:{p}:workflows:<org>"}


class Row(NamedTuple):
    """A line of the table."""

    pattern: str
    type: str
    lives: str

    def matches(self, key: str) -> bool:
        """Whether a key is of this line."""
        parts = re.split(r"(\{p\}|<\w+>)", self.pattern)
        expression = "".join(PLACEHOLDERS.get(part) or re.escape(part) for part in parts)
        # Goals have sketches of visitors and of sessions, told in one line.
        tail = r":sessions" if self.pattern.endswith("<role>:<goal>:visitors") else None
        if tail and re.fullmatch(expression.removesuffix(":visitors") + tail, key):
            return True
        return re.fullmatch(expression, key) is not None


def table() -> list[Row]:
    """The rows of the docstring's table."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (keys.__doc__ or "").splitlines()
        if line.startswith("| `")
    ]
    return [Row(row[0].strip("`"), row[1], row[3]) for row in cells]


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
