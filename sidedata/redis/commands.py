"""Redis's commands: the ones that change nothing, so that they may be repeated, and the places of their keys. Pure."""

from collections.abc import Sequence
from typing import Final

from sidedata.redis.replies import Command

# Commands that change nothing, so that sending one twice is harmless: all such that the product sends.
_KEYS: Final = ("EXISTS", "PTTL", "SCAN", "TYPE")
_STRINGS: Final = ("GET", "GETRANGE", "MGET", "PFCOUNT", "STRLEN")
_HASHES: Final = ("HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HVALS")
_LISTS_AND_SETS: Final = ("LLEN", "SCARD")
_SORTED_SETS: Final = ("ZCARD", "ZMSCORE", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE")
_STREAMS: Final = ("XLEN", "XRANGE", "XREAD", "XREVRANGE")
_SERVER: Final = ("CONFIG", "DBSIZE", "INFO", "MEMORY", "PING", "TIME")
READS: Final = frozenset(_KEYS + _STRINGS + _HASHES + _LISTS_AND_SETS + _SORTED_SETS + _STREAMS + _SERVER)


def are_reads(commands: Sequence[Command]) -> bool:
    """Tell if commands change nothing, so that they may be sent again after a connection broke."""
    return all(command[0] in READS for command in commands)


def key_of(words: Command) -> str | bytes:
    """Find the word of a command that is its first key."""
    match words[0]:
        case "XREAD":
            position = words.index("STREAMS") + 1
        case "EVAL" | "EVALSHA":
            position = 3
        case "MEMORY":
            position = 2
        case _:
            position = 1
    key = words[position]
    return key if isinstance(key, str | bytes) else str(key)
