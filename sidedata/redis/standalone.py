"""The gateway to one Redis server, by TCP, TLS or Unix socket."""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

import redis.exceptions as redis_errors
from redis.asyncio.connection import Connection, ConnectionPool, UnixDomainSocketConnection

from sidedata.redis.exchange import (
    ASK_ROLE,
    Outcome,
    RoleWatch,
    are_reads,
    exchange,
    is_lost,
    is_replica,
    lacks_replicas,
    replica_error,
    replies_of,
    run_script,
    with_repetition,
)
from sidedata.redis.gateway import Commands, OnSent
from sidedata.redis.multiplex import MultiplexedConnection, ReplyError
from sidedata.redis.redis_errors import is_master_error, translated
from sidedata.redis.replies import Command, Reply, Word, integer, milliseconds
from sidedata.redis.scripts import Script

# Then the pool is asked, which knows how to translate errors.
_MULTIPLEXED_FAILED: Final = (ReplyError, redis_errors.ConnectionError, redis_errors.ReadOnlyError)


class StandaloneGateway:
    """One server; see `Gateway` for its methods.

    The pool opens a connection where none is idle, and checks an idle one before it hands it out: a connection that the server
    has closed meanwhile is opened again. Once the server turns out to be a replica, or a master cut off from its replicas, all
    connections are closed: behind a fixed address the next ones lead to its successor. A reader would not notice otherwise, so
    reads ask for the role now and then.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        plain = pool.connection_class in (Connection, UnixDomainSocketConnection)
        self.multiplexed = MultiplexedConnection(pool.connection_kwargs) if plain else None
        self._watch = RoleWatch()

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
            with contextlib.suppress(*_MULTIPLEXED_FAILED):
                return await self._multiplexed(commands)
        return await self.batch(commands)

    async def call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word] = (),
        *,
        on_sent: OnSent | None = None,
    ) -> Reply:
        """Run a script; a server that does not know its digest gets the text."""
        if script.read_only and self.multiplexed is not None:
            with contextlib.suppress(*_MULTIPLEXED_FAILED):
                return (await self._multiplexed([("EVALSHA", script.sha, len(keys), *keys, *args)]))[0]
        return (await self._call(script, keys, args, on_sent=on_sent))[0]

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
        return milliseconds(await self.command("TIME"))

    async def aclose(self) -> None:
        """Close all connections."""
        if self.multiplexed is not None:
            self.multiplexed.close()
        await self._pool.disconnect()

    async def _multiplexed(self, commands: Sequence[Command]) -> list[Reply]:
        assert self.multiplexed is not None  # noqa: S101 - both callers looked
        asks_role = self.multiplexed.knows_role and self._watch.take_turn()
        try:
            if not asks_role:
                return await self.multiplexed.exchange(commands)
            *replies, role = await self.multiplexed.exchange([*commands, ASK_ROLE])
        except redis_errors.TimeoutError:
            with translated():
                raise
        await self._check(role)
        return replies

    async def _call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word],
        *then: Command,
        on_sent: OnSent | None = None,
    ) -> list[Reply]:
        send = partial(self._exchange, repeatable=script.read_only, on_sent=on_sent)
        with translated():
            return await run_script(send, script, keys, args, *then)

    async def _exchange(
        self, commands: Sequence[Command], *, repeatable: bool, on_sent: OnSent | None = None
    ) -> list[Outcome]:
        send = partial(self._exchange_once, commands, repeatable=repeatable, on_sent=on_sent)
        return await with_repetition(send, repeatable=repeatable)

    async def _exchange_once(
        self, commands: Sequence[Command], *, repeatable: bool, on_sent: OnSent | None
    ) -> list[Outcome]:
        asks_role = repeatable and self._watch.take_turn()
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call] # redis-py's own
        try:
            if is_lost(connection):
                await connection.disconnect()  # sending opens it again
            outcomes = await exchange(connection, [*commands, ASK_ROLE] if asks_role else commands, on_sent)
        finally:
            await self._pool.release(connection)
        if asks_role:
            await self._check(outcomes.pop())
        if any(isinstance(outcome, Exception) and is_master_error(outcome) for outcome in outcomes):
            await self._drop()
        return outcomes

    async def _check(self, role: Outcome) -> None:
        """Drop the connections to a server that is no master, or may have a successor; refuse the answer of the former."""
        if is_replica(role) or lacks_replicas(role):
            await self._drop()
        if is_replica(role):
            raise replica_error()

    async def _drop(self) -> None:
        """Close all connections; those in use are closed as soon as they are idle."""
        if self.multiplexed is not None:
            self.multiplexed.close()
        await self._pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call] # redis-py's own
        await self._pool.disconnect(inuse_connections=False)
