"""The gateway to one Redis server, by TCP, TLS or Unix socket."""

import contextlib
from collections.abc import Sequence

import redis.exceptions as redis_errors
from redis.asyncio.connection import Connection, ConnectionPool, UnixDomainSocketConnection

from sidedata.redis.exchange import Outcome, are_reads, exchange, replies_of
from sidedata.redis.gateway import Commands
from sidedata.redis.multiplex import MultiplexedConnection, ReplyError
from sidedata.redis.redis_errors import is_read_only, translated
from sidedata.redis.replies import Command, Reply, Word, array, integer
from sidedata.redis.scripts import Script


class StandaloneGateway:
    """One server; see `Gateway` for its methods.

    The pool opens a connection where none is idle, and checks an idle one before it hands it out: a connection that the server
    has closed meanwhile is opened again.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        plain = pool.connection_class in (Connection, UnixDomainSocketConnection)
        self.multiplexed = MultiplexedConnection(pool.connection_kwargs) if plain else None

    async def command(self, *words: Word) -> Reply:
        """Send one command and return its reply."""
        return (await self.batch([words]))[0]

    async def batch(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands together and return their replies in order; the first error among them is raised."""
        with translated():
            return replies_of(await self._exchange(commands, repeatable=are_reads(commands))) if commands else []

    async def poll(self, *commands: Command) -> list[Reply]:
        """Send reads over the multiplexed connection, or in the ordinary way where that is impossible or fails."""
        if self.multiplexed is not None:
            with contextlib.suppress(ReplyError, redis_errors.ConnectionError):
                return await self._multiplexed(commands)
        return await self.batch(commands)

    async def call(self, script: Script, keys: Sequence[str | bytes], args: Sequence[Word] = ()) -> Reply:
        """Run a script; a server that does not know its digest gets the text."""
        if script.read_only and self.multiplexed is not None:
            with contextlib.suppress(ReplyError, redis_errors.ConnectionError):
                return (await self._multiplexed([("EVALSHA", script.sha, len(keys), *keys, *args)]))[0]
        reply, _ = await self._call(script, keys, args)
        return reply

    async def call_and_wait(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Word], *, replicas: int, wait_ms: int
    ) -> tuple[Reply, int]:
        """Run a script, then wait for replicas on the same connection."""
        reply, copies = await self._call(script, keys, args, ("WAIT", replicas, wait_ms))
        return reply, integer(copies)

    async def primaries(self) -> Sequence[Commands]:
        """Return this server alone."""
        return (self,)

    async def time_ms(self, key: str) -> int:  # noqa: ARG002 - a cluster's nodes have a clock each
        """Read the server's clock, in milliseconds since the epoch."""
        seconds, microseconds = array(await self.command("TIME"))
        return integer(seconds) * 1000 + integer(microseconds) // 1000

    async def aclose(self) -> None:
        """Close all connections."""
        if self.multiplexed is not None:
            self.multiplexed.close()
        await self._pool.disconnect()

    async def _multiplexed(self, commands: Sequence[Command]) -> list[Reply]:
        assert self.multiplexed is not None  # noqa: S101 - both callers looked
        try:
            return await self.multiplexed.exchange(commands)
        except redis_errors.TimeoutError:
            with translated():
                raise

    async def _call(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Word], *then: Command
    ) -> tuple[Reply, Reply]:
        """Run a script and a command after it on the same connection; their replies, the second nil without one."""
        with translated():
            called: Command = ("EVALSHA", script.sha, len(keys), *keys, *args)
            outcomes = await self._exchange([called, *then], repeatable=script.read_only)
            if isinstance(outcomes[0], redis_errors.NoScriptError):
                called = ("EVAL", script.source, len(keys), *keys, *args)
                outcomes = await self._exchange([called, *then], repeatable=script.read_only)
            reply, *replies = replies_of(outcomes)
            return reply, replies[0] if replies else None

    async def _exchange(self, commands: Sequence[Command], *, repeatable: bool) -> list[Outcome]:
        try:
            return await self._exchange_once(commands)
        except redis_errors.TimeoutError:
            raise
        except redis_errors.ConnectionError:
            if not repeatable:
                raise
            return await self._exchange_once(commands)

    async def _exchange_once(self, commands: Sequence[Command]) -> list[Outcome]:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call] # redis-py's own
        try:
            outcomes = await exchange(connection, commands)
        finally:
            await self._pool.release(connection)
        if any(isinstance(outcome, Exception) and is_read_only(outcome) for outcome in outcomes):
            # The server was demoted. Behind a fixed address the next connection finds its successor.
            await self._pool.disconnect(inuse_connections=False)
        return outcomes
