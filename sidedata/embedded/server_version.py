"""Servers by product and version, and the table of which server reads the files of which. Pure.

The format of an append-only file's base decides. Redis and Valkey have a common one up to Redis 7.2; later ones differ. A server
before Redis 7.0 does not look into the directory where later ones keep their files: it starts empty and gives no notice.
"""

import re
from typing import Final, Self

from msgspec import Struct

Release = tuple[int, int]  # major and minor

REDIS: Final = "Redis"
VALKEY: Final = "Valkey"

# The releases that brought a new format, as far as they are known. Redis: RDB 10, 11, 12, 13; Valkey: RDB 11, 80, 81. Redis 8.10
# has 15: the release of 14 is not known, so nothing older is trusted with files of a release after 8.6.
_FORMATS: Final[dict[str, tuple[Release, ...]]] = {REDIS: ((7, 0), (7, 2), (7, 4), (8, 6)), VALKEY: ((9, 0), (9, 2))}
_COMMON_REDIS: Final = (7, 2)  # the last format of Redis that is Valkey's first
_FOREIGN_REDIS: Final = (7, 4)  # from here on Valkey refuses the files of Redis
_FOREIGN_VALKEY: Final = (9, 0)  # from here on Redis refuses the files of Valkey

# `Redis server v=7.0.15 sha=…`
_STATEMENT: Final = re.compile(r"(Redis|Valkey) server v=([0-9]+(?:\.[0-9]+)+)")
_TEXT: Final = re.compile(r"(Redis|Valkey) ([0-9]+(?:\.[0-9]+)+)")


class ServerVersion(Struct, frozen=True):
    """A product and its own version, such as Valkey and 9.1.2."""

    product: str
    version: str

    @classmethod
    def of_binary(cls, statement: str) -> Self | None:
        """Read the output of `redis-server --version`; None if it is of another product."""
        match = _STATEMENT.match(statement)
        return cls(match[1], match[2]) if match else None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `Valkey 9.1.2`, the form of `str`; None for any other text."""
        match = _TEXT.fullmatch(text.strip())
        return cls(match[1], match[2]) if match else None

    def __str__(self) -> str:
        """Product and version, for people and for the note in the data directory."""
        return f"{self.product} {self.version}"

    @property
    def release(self) -> Release:
        """Major and minor version; a patch never changes the format."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    def can_read(self, writer: "ServerVersion") -> bool:
        """Tell if this server reads the append-only files that `writer` leaves; False for an unknown pair."""
        if self.product == writer.product:
            return self.release >= writer.release or self._has_format_of(writer)
        if self.product == REDIS:
            return self.release >= _COMMON_REDIS and writer.release < _FOREIGN_VALKEY
        return writer.release < _FOREIGN_REDIS

    def _has_format_of(self, newer: "ServerVersion") -> bool:
        # Formats after the last known one are unknown: there an older server is not trusted with a newer one's files.
        changes = _FORMATS[self.product]
        return newer.release < changes[-1] and not any(self.release < change <= newer.release for change in changes)
