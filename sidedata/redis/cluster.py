"""The gateway to a Redis Cluster, on redis-py's map of slots and pools of nodes.

- A command is sent once, except where the cluster redirects it. redis-py's own client would send it again after a time-out; an
  event without an id would then count twice.
- ASKING travels on the connection of the command it is for.
- The map of slots is refreshed in the background. redis-py refreshes it in the midst of the next command and closes all
  connections when that fails, so that a hanging master would take the others' partitions along.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

import redis.exceptions as redis_errors
from redis.asyncio.cluster import ClusterNode, RedisCluster

from sidedata.redis.exchange import (
    Connection,
    Outcome,
    are_reads,
    exchange,
    is_lost,
    key_of,
    replies_of,
    run_script,
    with_repetition,
)
from sidedata.redis.gateway import Commands, OnSent
from sidedata.redis.redis_errors import translated
from sidedata.redis.replies import Command, Reply, Word, integer, milliseconds
from sidedata.redis.scripts import Script

# From the old owner of a slot to the new one and, once more, to another: more means a broken map of slots.
_MOST_REDIRECTS = 5
# Not more often than this: the first refresh tells what changed, and a failover takes longer anyway.
_REFRESH_SECONDS = 0.1
# A command that was given up after so long may have hung with its node; most take a millisecond, a read of a stream waits 0.25 s.
_SLOW_SECONDS = 0.3

_NODE_FAILED = (redis_errors.ConnectionError, redis_errors.TimeoutError, redis_errors.ClusterDownError, OSError)


class ClusterGateway:
    """All masters of a cluster; see `Gateway` for its methods."""

    def __init__(self, cluster: RedisCluster) -> None:
        self._cluster = cluster
        self._startup_nodes = cluster.nodes_manager.startup_nodes
        self._refreshing: asyncio.Task[None] | None = None

    async def command(self, *words: Word) -> Reply:
        """Send one command to the node that holds its key."""
        with translated():
            outcomes = await self._routed([words], repeatable=are_reads([words]))
            return replies_of(outcomes)[0]

    async def batch(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands together, a round trip for each node; a redirected one follows on its own."""
        with translated():
            await self._cluster.initialize()
            by_node: dict[ClusterNode, list[int]] = {}
            for index, words in enumerate(commands):
                by_node.setdefault(self._node_of(key_of(words)), []).append(index)
            outcomes: list[Outcome] = [None] * len(commands)

            async def on_node(node: ClusterNode, indexes: list[int]) -> None:
                of_node = [commands[index] for index in indexes]
                replies = await self._repeated(node, of_node, repeatable=are_reads(of_node))
                for index, reply in zip(indexes, replies, strict=True):
                    if isinstance(reply, redis_errors.AskError):  # MOVED is one of them
                        await self._redirected(reply)
                        reply = (await self._routed([commands[index]], repeatable=are_reads([commands[index]])))[0]  # noqa: PLW2901
                    outcomes[index] = reply

            results = await asyncio.gather(*(on_node(*item) for item in by_node.items()), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            return replies_of(outcomes)

    async def poll(self, *commands: Command) -> list[Reply]:
        """Send reads; a cluster has no multiplexed connection."""
        return await self.batch(commands)

    async def call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word] = (),
        *,
        on_sent: OnSent | None = None,
    ) -> Reply:
        """Run a script on the node that holds `keys`; a node that does not know its digest gets the text."""
        return (await self._call(script, keys, args, on_sent=on_sent))[0]

    async def call_and_wait(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Word], *, replicas: int, wait_ms: int
    ) -> tuple[Reply, int]:
        """Run a script, then wait for replicas of its node on the same connection."""
        reply, copies = await self._call(script, keys, args, ("WAIT", replicas, wait_ms))
        return reply, integer(copies)

    async def primaries(self) -> Sequence[Commands]:
        """List the masters, each as a server of its own."""
        with translated():
            await self._cluster.initialize()
        return [_Primary(partial(self._repeated, node)) for node in self._cluster.get_primaries()]

    async def time_ms(self, key: str) -> int:
        """Read the clock of the node that holds `key`, in milliseconds since the epoch."""
        with translated():
            await self._cluster.initialize()
            outcomes = await self._repeated(self._node_of(key), [("TIME",)], repeatable=True)
            return milliseconds(replies_of(outcomes)[0])

    async def aclose(self) -> None:
        """Close all connections."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        # The nodes of the given address ask for the map on connections of their own.
        closings = (node.disconnect() for node in self._startup_nodes.values())
        await asyncio.gather(self._cluster.aclose(), *closings, return_exceptions=True)
        # Nodes dropped from the map close in tasks of their own.
        await asyncio.gather(*self._cluster.nodes_manager._background_tasks, return_exceptions=True)  # noqa: SLF001 - it has no other name

    async def _call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word],
        *then: Command,
        on_sent: OnSent | None = None,
    ) -> list[Reply]:
        follow_ask = not script.undeclared_keys
        send = partial(self._routed, repeatable=script.read_only, follow_ask=follow_ask, on_sent=on_sent)
        with translated():
            return await run_script(send, script, keys, args, *then)

    async def _routed(
        self,
        commands: Sequence[Command],
        *,
        repeatable: bool = False,
        follow_ask: bool = True,
        on_sent: OnSent | None = None,
    ) -> list[Outcome]:
        """Send commands, on one connection, to the node that holds the key of the first; follow redirections."""
        await self._cluster.initialize()  # without the map of slots any node would do
        node, send_asking = self._node_of(key_of(commands[0])), False
        for _ in range(_MOST_REDIRECTS):
            send = partial(self._on_node, node, commands, send_asking=send_asking, on_sent=on_sent)
            outcomes = await with_repetition(send, repeatable=repeatable)
            redirection = outcomes[0]
            if not isinstance(redirection, redis_errors.AskError):  # MOVED is one of them
                return outcomes
            send_asking = not isinstance(redirection, redis_errors.MovedError)
            if send_asking and not follow_ask:
                return outcomes
            node = await self._redirected(redirection)
        raise redis_errors.ClusterError("redirected too often")

    async def _repeated(self, node: ClusterNode, commands: Sequence[Command], *, repeatable: bool) -> list[Outcome]:
        return await with_repetition(partial(self._on_node, node, commands), repeatable=repeatable)

    async def _on_node(
        self,
        node: ClusterNode,
        commands: Sequence[Command],
        *,
        send_asking: bool = False,
        on_sent: OnSent | None = None,
    ) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        connection = node.acquire_connection()
        try:
            if is_lost(connection):
                await connection.disconnect()  # the node has closed it: nothing else comes unasked
            sequence = [("ASKING",), *commands] if send_asking else commands
            outcomes = await exchange(cast("Connection", connection), sequence, on_sent)
        except _NODE_FAILED:
            self._refresh(node.name)
            raise
        except asyncio.CancelledError:
            # The caller was less patient than a command's time limit with a node that hangs.
            if loop.time() - start > _SLOW_SECONDS:
                self._refresh(node.name)
            raise
        finally:
            node.release(connection)
        if any(isinstance(outcome, redis_errors.ClusterDownError) for outcome in outcomes):
            self._refresh(node.name)
        return outcomes[1:] if send_asking else outcomes

    def _node_of(self, key: str | bytes) -> ClusterNode:
        """The master that serves a key, as far as the map of slots says."""
        return self._cluster.nodes_manager.get_node_from_slot(self._cluster.keyslot(key))

    async def _redirected(self, error: redis_errors.AskError) -> ClusterNode:
        """The node that MOVED or ASK points to; a moved slot is noted at once, the whole map is refreshed soon."""
        nodes = self._cluster.nodes_manager
        node = nodes.get_node(host=error.host, port=error.port)
        if node is None:
            # A node without slots is on no map.
            node = ClusterNode(error.host, error.port, "primary", **self._cluster.connection_kwargs)
            nodes.set_nodes(nodes.nodes_cache, {node.name: node})
        if isinstance(error, redis_errors.MovedError):
            await nodes.move_slot(error)
            self._refresh()
        return node

    def _refresh(self, failed: str | None = None) -> None:
        """Refresh the map of slots soon, from another node than the one that failed."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh_now(failed))

    async def _refresh_now(self, failed: str | None) -> None:
        # If it fails, the next command that does asks for it again. The address that was given comes first, because all nodes may
        # have got new ones; the known nodes follow, because the one at that address may be down.
        nodes = self._cluster.nodes_manager
        with contextlib.suppress(redis_errors.RedisError, OSError):
            # A connection made before may lead to where the address pointed then.
            await asyncio.gather(*(node.disconnect() for node in self._startup_nodes.values()))
        for startup_nodes in (self._startup_nodes, dict(nodes.nodes_cache)):
            nodes.startup_nodes = startup_nodes
            with contextlib.suppress(redis_errors.RedisError, redis_errors.RedisClusterException, OSError):
                await nodes.initialize(last_failed_node_name=failed)
                break
        nodes.startup_nodes = self._startup_nodes
        await asyncio.sleep(_REFRESH_SECONDS)


class _Primary:
    """One master as a server of its own."""

    def __init__(self, send: Callable[..., Awaitable[list[Outcome]]]) -> None:
        self._send = send  # to this master, see `ClusterGateway._repeated`

    async def command(self, *words: Word) -> Reply:
        """Send one command to this master."""
        return (await self.batch([words]))[0]

    async def batch(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands to this master."""
        with translated():
            return replies_of(await self._send(commands, repeatable=are_reads(commands)))
