"""One connection to Redis that carries many questions at a time, for the question that services ask all the time.

redis-py takes a connection from its pool for each command and spends some 100 µs on it, five times what all of this takes (the
figures are in bench/README.md). So reads go over a line of their own: who asks writes at once, and replies come in the order of
the questions. A line knows nothing of errors but to pass them on; who gets one asks again in the ordinary way, which does.

Plain TCP and Unix sockets only: there is none for TLS, for a cluster, or for a Redis in memory.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import hiredis
import redis.exceptions as faults
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, UnixDomainSocketConnection

from sidedata.redis.cluster import as_it_came

Word = str | int | float | bytes | memoryview


class Refused(Exception):  # noqa: N818 - it says what happened, not that it is an error of ours
    """Redis answered with an error: ask in the ordinary way, to be told which."""


class _Question(NamedTuple):
    """Commands that were sent together, and their replies as they come."""

    waiting: asyncio.Future[None]
    commands: int
    replies: list[Any]


class _Wire(asyncio.Protocol):
    """One connection, from when it is made until it is lost."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport
        self._reader = hiredis.Reader(replyError=Refused)
        self._waiting: deque[_Question] = deque()

    async def ask(self, *commands: Sequence[Word]) -> list[Any]:
        """See `Line.ask_all`."""
        if self.lost:
            raise faults.ConnectionError("the connection was lost")
        replies: list[Any] = []
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(waiting, len(commands), replies))
        self._transport.write(b"".join(map(hiredis.pack_command, commands)))  # type: ignore[arg-type] # its stub means a tuple of one
        try:
            await waiting
        except asyncio.CancelledError:
            self.close()  # a reply that is late delays all behind it
            raise
        for reply in replies:
            if isinstance(reply, Refused):
                raise reply
        return replies

    def close(self) -> None:
        """Hang up; who waits is told."""
        if not self.lost:
            self.lost = True
            self._transport.abort()
            for waiting, _, _ in self._waiting:
                if not waiting.done():
                    waiting.set_exception(faults.ConnectionError("the connection was lost"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment] # one that can be written to

    def data_received(self, data: bytes) -> None:
        """Hand replies out."""
        self._reader.feed(data)
        while self._waiting and (reply := self._reader.gets()) is not False:
            waiting, commands, replies = self._waiting[0]
            replies.append(reply)
            if len(replies) == commands:
                self._waiting.popleft()
                if not waiting.done():
                    waiting.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """End."""
        self.close()


class Line:
    """A connection that is opened when it is needed, and anew when it has broken."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options  # as redis-py took them out of the address
        self._opening = asyncio.Lock()
        self._wire: _Wire | None = None

    async def ask(self, *command: Word) -> Any:  # noqa: ANN401 - as untyped as the client's own replies
        """Send a command and wait for its reply; see `ask_all`."""
        return (await self.ask_all(command))[0]

    async def ask_all(self, *commands: Sequence[Word]) -> list[Any]:
        """Send commands at once and wait for their replies. Whoever gives up waiting ends the connection for all who wait.

        Raises:
            Refused: one of the replies is an error.
            redis.exceptions.ConnectionError: there is no connection, or it broke.
            redis.exceptions.TimeoutError: Redis didn't take the connection in time.
        """
        wire = self._wire
        if wire is None or wire.lost:
            wire = await self._open()
        return await wire.ask(*commands)

    async def _open(self) -> _Wire:
        async with self._opening:
            if self._wire is not None and not self._wire.lost:
                return self._wire
            options, loop = self._options, asyncio.get_running_loop()
            wire = _Wire()
            try:
                async with asyncio.timeout(options.get("socket_connect_timeout")):
                    if "path" in options:
                        await loop.create_unix_connection(lambda: wire, options["path"])
                    else:
                        await loop.create_connection(lambda: wire, options["host"], options["port"])
                    if options.get("password"):
                        user = (options["username"],) if options.get("username") else ()
                        await wire.ask(("AUTH", *user, options["password"]))
                    if options.get("db"):
                        await wire.ask(("SELECT", options["db"]))
            except TimeoutError as error:
                raise faults.TimeoutError("Redis did not take the connection in time") from error
            except OSError as error:
                raise faults.ConnectionError(f"can't connect: {error.strerror or error}") from error
            except Refused:
                wire.close()
                raise
            self._wire = wire
            return wire

    def close(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.close()


class Single(Redis):
    """A client of one server, with a line where one is possible."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as the client takes them
        super().__init__(*arguments, **options)
        self.set_response_callback("XREAD", as_it_came)
        pool = self.connection_pool
        plain = pool.connection_class in (Connection, UnixDomainSocketConnection)
        self.line = Line(pool.connection_kwargs) if plain else None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - the client's signature
        """Close all connections."""
        if self.line is not None:
            self.line.close()
        await super().aclose(close_connection_pool)
