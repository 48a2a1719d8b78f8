"""One exchange on one connection: commands go out together, their replies come back in order.

A connection should lead to a master. After a failover behind a fixed address, connections to the demoted master stay open, and it
still answers reads, with old numbers. So each new connection asks for the role, and reads ask again every half second. INFO states
it, for which every process of an installation has the right; ROLE is a right of its own. A user without that right, or a proxy
without INFO, goes unchecked.

A master that is cut off from its successor does not know that it is none any more. With `min-replicas-to-write` it counts
replicas, and INFO says when it has too few. Its address may lead elsewhere by then, so its connections are closed.
"""

import contextlib
import select
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, cast

import hiredis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's own name
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from sidedata.redis.gateway import OnSent
from sidedata.redis.replies import Command, Reply, Word
from sidedata.redis.scripts import Script

# Commands that change nothing, so that sending one twice is harmless: all such that the product sends.
_KEYS: Final = ("EXISTS", "PTTL", "SCAN", "TYPE")
_STRINGS: Final = ("GET", "GETRANGE", "MGET", "PFCOUNT", "STRLEN")
_HASHES: Final = ("HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HVALS")
_LISTS_AND_SETS: Final = ("LLEN", "SCARD")
_SORTED_SETS: Final = ("ZCARD", "ZMSCORE", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE")
_STREAMS: Final = ("XLEN", "XRANGE", "XREAD", "XREVRANGE")
_SERVER: Final = ("CONFIG", "DBSIZE", "INFO", "MEMORY", "PING", "TIME")
READS: Final = frozenset(_KEYS + _STRINGS + _HASHES + _LISTS_AND_SETS + _SORTED_SETS + _STREAMS + _SERVER)

# redis-py counts two error replies among the broken connections: of a server that loads its data, and of one that wants a login.
ERROR_REPLIES: Final = (ResponseError, BusyLoadingError, AuthenticationError)
Outcome = Reply | RedisError

ASK_ROLE: Final = ("INFO", "replication")
# Half of the time within which a failover must be over for clients.
_SECONDS_BETWEEN_CHECKS: Final = 0.5


class Connection(Protocol):
    """The part of redis-py's connections that an exchange needs; both its pools hand out such ones."""

    async def send_packed_command(self, command: bytes, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Write bytes; connects first where need be."""
        ...

    async def read_response(self, *, disconnect_on_error: bool) -> Reply:
        """Read one reply; an error reply is raised."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Close the connection; a no-op if it is closed."""
        ...

    async def on_connect(self) -> None:
        """Log in; part of opening a connection."""
        ...


async def exchange(connection: Connection, commands: Sequence[Command], on_sent: OnSent | None = None) -> list[Outcome]:
    """Send commands at once and read their replies, error replies among them.

    Args:
        on_sent: called when the commands are on their way, before the wait for their replies.

    Raises:
        redis.exceptions.ConnectionError: the connection broke; redis-py has closed it.
        redis.exceptions.TimeoutError: a reply took too long; redis-py has closed the connection.
    """
    await connection.send_packed_command(b"".join(map(packed, commands)))
    outcomes: list[Outcome] = []
    try:
        if on_sent is not None:
            on_sent()
        for _ in commands:
            try:
                # redis-py would close the connection after some error replies, with the other replies still to come.
                outcomes.append(await connection.read_response(disconnect_on_error=False))
            except ERROR_REPLIES as error:
                outcomes.append(error)
    except BaseException:
        await connection.disconnect(nowait=True)  # a late reply must not meet the next command
        raise
    return outcomes


def is_lost(connection: object) -> bool:
    """Tell if an idle connection was reset or closed.

    redis-py's own check sees an end in order that the event loop has read, no reset, and no end of this very moment.
    """
    reader, writer = getattr(connection, "_reader", None), getattr(connection, "_writer", None)
    if not isinstance(reader, StreamReader) or not isinstance(writer, StreamWriter):
        return False
    return reader.at_eof() or reader.exception() is not None or writer.is_closing() or _is_readable(writer)


def _is_readable(writer: StreamWriter) -> bool:
    """Ask the kernel: nothing comes over an idle connection but its end. Over TLS something else may."""
    opened = writer.get_extra_info("socket")
    if opened is None or writer.get_extra_info("ssl_object") is not None:
        return False
    polling = select.poll()
    polling.register(opened.fileno(), select.POLLIN)
    return bool(polling.poll(0))


def packed(command: Command) -> bytes:
    """Encode a command for the wire."""
    return cast("bytes", hiredis.pack_command(tuple(command)))  # type: ignore[arg-type] # its stub means a tuple of one


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


def replies_of(outcomes: Sequence[Outcome]) -> list[Reply]:
    """Return replies; raises the first error reply among them."""
    replies: list[Reply] = []
    for outcome in outcomes:
        if isinstance(outcome, RedisError):
            raise outcome
        replies.append(outcome)
    return replies


async def run_script(
    send: Callable[[Sequence[Command]], Awaitable[list[Outcome]]],
    script: Script,
    keys: Sequence[str | bytes],
    args: Sequence[Word],
    *then: Command,
) -> list[Reply]:
    """Run a script and commands after it by `send`; a server that does not know the script's digest gets the text."""
    outcomes = await send([("EVALSHA", script.sha, len(keys), *keys, *args), *then])
    if isinstance(outcomes[0], NoScriptError):
        outcomes = await send([("EVAL", script.source, len(keys), *keys, *args), *then])
    return replies_of(outcomes)


async def with_repetition(send: Callable[[], Awaitable[list[Outcome]]], *, repeatable: bool) -> list[Outcome]:
    """Send commands by `send`; after a broken connection once more, where nothing changes by it.

    After a time limit nothing is sent again: redis-py's TimeoutError is no ConnectionError.
    """
    try:
        return await send()
    except (ConnectionError, ReadOnlyError):
        if not repeatable:
            raise
        return await send()


class RoleWatch:
    """A timer that all reads of a gateway share."""

    def __init__(self) -> None:
        self._due = 0.0

    def take_turn(self) -> bool:
        """Tell if the caller should ask for the role; if so, the next callers need not for half a second."""
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + _SECONDS_BETWEEN_CHECKS
        return True


def is_replica(reply: object) -> bool:
    """Tell if a reply of INFO states the role of a replica; an error reply states nothing."""
    return isinstance(reply, bytes) and b"role:slave" in reply


def lacks_replicas(reply: object) -> bool:
    """Tell if a reply of INFO states that a master with `min-replicas-to-write` has no replica that is up with it."""
    return isinstance(reply, bytes) and b"min_slaves_good_slaves:0\r" in reply


def replica_error() -> ReadOnlyError:
    """The error of a connection to a replica."""
    return ReadOnlyError("the server is a replica")


async def connect_to_master(connection: Connection) -> None:
    """Prepare a new connection as redis-py does, then check the server's role.

    Raises:
        redis.exceptions.ReadOnlyError: the server is a replica.
    """
    await connection.on_connect()
    role: object = None
    with contextlib.suppress(ResponseError):
        (role,) = await exchange(connection, [ASK_ROLE])
    if is_replica(role):
        raise replica_error()
