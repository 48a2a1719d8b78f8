"""One connection to Redis that carries many commands at a time, for the reads that services repeat all the time.

redis-py takes a connection from its pool for each command and spends some 100 µs on it, five times what all of this takes (the
figures are in bench/README.md). Here a caller writes at once, and replies come in the order of the commands. An error reply is
passed on as `ReplyError`: the caller then asks in the ordinary way, which knows how to translate errors.

Plain TCP and Unix sockets only: TLS, a cluster and a Redis in memory have no such connection.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict, cast

import hiredis
import redis.exceptions as redis_errors

from sidedata.redis.exchange import ASK_ROLE, is_replica, packed, replica_error
from sidedata.redis.replies import Command, Reply


class ReplyError(Exception):
    """An error reply; the ordinary way to ask tells which error it is."""


class Address(TypedDict, total=False):
    """The parts of an address that redis-py read out of a URL."""

    host: str
    port: int
    path: str
    username: str | None
    password: str | None
    db: int
    socket_connect_timeout: float


class _Pending(NamedTuple):
    """Commands that were sent together, and their replies as they arrive."""

    completion: asyncio.Future[None]
    commands: int
    replies: list[Reply | ReplyError]


class _Protocol(asyncio.Protocol):
    """One connection, from its opening to its loss."""

    def __init__(self) -> None:
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=ReplyError)
        self._pending: deque[_Pending] = deque()

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """See `MultiplexedConnection.exchange`."""
        if self.is_closed or self._transport is None:
            raise redis_errors.ConnectionError("the connection was lost")
        replies: list[Reply | ReplyError] = []
        completion: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(completion, len(commands), replies))
        self._transport.write(b"".join(map(packed, commands)))
        try:
            await completion
        except asyncio.CancelledError:
            self.close()  # a late reply delays all behind it
            raise
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise reply
        return cast("list[Reply]", replies)

    def close(self) -> None:
        """Close the connection; every pending exchange fails."""
        if not self.is_closed:
            self.is_closed = True
            if self._transport is not None:
                self._transport.abort()
            for pending in self._pending:
                if not pending.completion.done():
                    pending.completion.set_exception(redis_errors.ConnectionError("the connection was lost"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand replies to the exchanges that wait for them, in order."""
        self._reader.feed(data)
        while self._pending and (reply := self._reader.gets()) is not False:
            completion, commands, replies = self._pending[0]
            replies.append(reply)
            if len(replies) == commands:
                self._pending.popleft()
                if not completion.done():
                    completion.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Fail the exchanges that wait."""
        self.close()


class MultiplexedConnection:
    """A shared connection that opens when it is needed, and again after it broke."""

    def __init__(self, address: Mapping[str, object]) -> None:
        self._address = cast("Address", address)
        self._opening = asyncio.Lock()
        self._protocol: _Protocol | None = None
        self.knows_role = False  # the server answers INFO to this user

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands at once and wait for their replies. A caller that gives up closes the connection for all callers.

        Raises:
            ReplyError: one of the replies is an error.
            redis.exceptions.ConnectionError: the connection could not be opened, or it broke.
            redis.exceptions.ReadOnlyError: the server is a replica.
            redis.exceptions.TimeoutError: Redis did not accept the connection in time.
        """
        protocol = self._protocol
        if protocol is None or protocol.is_closed:
            protocol = await self._open()
        return await protocol.exchange(commands)

    async def _open(self) -> _Protocol:
        async with self._opening:
            if self._protocol is not None and not self._protocol.is_closed:
                return self._protocol
            address, loop = self._address, asyncio.get_running_loop()
            protocol = _Protocol()
            try:
                async with asyncio.timeout(address.get("socket_connect_timeout")):
                    if "path" in address:
                        await loop.create_unix_connection(lambda: protocol, address["path"])
                    else:
                        await loop.create_connection(lambda: protocol, address["host"], address["port"])
                    await _log_in(protocol, address)
                    self.knows_role = await _check_role(protocol)
            except TimeoutError as error:
                protocol.close()
                raise redis_errors.TimeoutError("Redis did not accept the connection in time") from error
            except OSError as error:
                raise redis_errors.ConnectionError(f"can't connect: {error.strerror or error}") from error
            except (ReplyError, redis_errors.RedisError):
                protocol.close()
                raise
            self._protocol = protocol
            return protocol

    def close(self) -> None:
        """Close the connection."""
        if self._protocol is not None:
            self._protocol.close()


async def _log_in(protocol: _Protocol, address: Address) -> None:
    if password := address.get("password"):
        user = address.get("username")
        await protocol.exchange([("AUTH", user, password) if user else ("AUTH", password)])
    if db := address.get("db"):
        await protocol.exchange([("SELECT", db)])


async def _check_role(protocol: _Protocol) -> bool:
    """Tell if the server states its role.

    Raises:
        redis.exceptions.ReadOnlyError: it is a replica.
    """
    try:
        (role,) = await protocol.exchange([ASK_ROLE])
    except ReplyError:
        return False
    if is_replica(role):
        raise replica_error()
    return True
