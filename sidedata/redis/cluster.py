"""redis-py's cluster client, with what we can't do without changed.

- A command is sent once. The client would send it again after a time-out; an event without an id would then count twice.
- ASKING travels on the connection of the command it is for. With a pool of connections the client takes two, and the node
  that a slot moves to sends the command back.
- The map of slots is read anew in the background. The client does it in the midst of the next command, whichever that is, and
  closes all connections when it goes wrong, so that a master that hangs would take the others' partitions along.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import redis.exceptions as faults
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, PipelineCommand, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# From the old owner of a slot to the new one and, once more, to another: more is a map of slots gone wrong.
_MOST_REDIRECTS = 5
# Not more often than this: the first tells what changed, and a failover takes longer anyway.
_REFRESH_SECONDS = 0.1
# A command that was given up after so long may have hung with its node; most take a millisecond, a read of a stream waits 0.25 s.
_SLOW_SECONDS = 0.3
# Of one node. A worker waits on one connection for each of its partitions, a service on one for each question in flight.
MOST_CONNECTIONS = 20_000

_NODE_FAILED = (faults.ConnectionError, faults.TimeoutError, faults.ClusterDownError, OSError)


def as_it_came(response: Any, **kwargs: Any) -> Any:  # noqa: ANN401, ARG001 - as the client calls it
    """Entries of a stream as they are stored: making dictionaries takes time, and loses a field that an entry holds twice."""
    return response


class Cluster(RedisCluster):
    """A client of a whole cluster; commands find the node of their keys."""

    __slots__ = ("_refreshing",)

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as the client takes them
        super().__init__(
            **options,
            retry=Retry(NoBackoff(), 0),
            max_connections=MOST_CONNECTIONS,
        )
        self._refreshing: asyncio.Task[None] | None = None
        self.set_response_callback("XREAD", as_it_came)

    def make_connection(self) -> None:
        """Make a connection and throw it away: it opens nothing, but knows which values the parameters of an address have."""
        node = next(iter(self.nodes_manager.startup_nodes.values()))
        node.connection_class(**node.connection_kwargs)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await super().aclose()
        # Nodes dropped from the map close in tasks of their own.
        await asyncio.gather(*self.nodes_manager._background_tasks, return_exceptions=True)  # noqa: SLF001

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "ClusterPipeline":  # noqa: ANN401 - its own
        """Commands that are sent together, a round trip for each node."""
        assert not transaction  # noqa: S101 - scripts do what must be atomic
        assert shard_hint is None  # noqa: S101 - the client has none any more
        return _Pipeline(self)  # type: ignore[abstract]  # redis-py's own types forget what its class lacks

    def refresh(self, failed: str | None = None) -> None:
        """Read the map of slots anew, soon, from another node than the one that failed."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(failed))

    async def _refresh(self, failed: str | None) -> None:
        # If it fails the next command that does asks for it again.
        with contextlib.suppress(faults.RedisError, faults.RedisClusterException, OSError):
            await self.nodes_manager.initialize(last_failed_node_name=failed)
        await asyncio.sleep(_REFRESH_SECONDS)

    def node_of(self, key: str) -> ClusterNode:
        """The master that serves a key, as far as is known."""
        return self.nodes_manager.get_node_from_slot(self.keyslot(key))

    async def redirected(self, error: faults.AskError) -> ClusterNode:
        """The node that MOVED or ASK points to; a moved slot is noted at once, the whole map is read anew soon."""
        node = self.nodes_manager.get_node(host=error.host, port=error.port)
        if node is None:
            # One that holds no slots yet is on no map.
            node = ClusterNode(error.host, error.port, "primary", **self.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {node.name: node})
        if isinstance(error, faults.MovedError):
            await self.nodes_manager.move_slot(error)
            self.refresh()
        return node

    async def on_one_connection(self, node: ClusterNode, *commands: Sequence[Any], asking: bool = False) -> list[Any]:
        """The replies, errors among them, to commands sent to a node one after the other on the same connection."""
        sent = [PipelineCommand(place, *command) for place, command in enumerate(commands)]
        try:
            await node.execute_pipeline([PipelineCommand(0, "ASKING"), *sent] if asking else sent)
        except _NODE_FAILED:
            self.refresh(node.name)
            raise
        return [command.result for command in sent]

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the client has it
        """The reply of the node that holds the command's keys."""
        await self.initialize()  # without the map of slots the client sends the first command to any node
        return await super().execute_command(*args, **kwargs)

    async def _execute_command(self, target_node: ClusterNode, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - replies
        follow_ask = kwargs.pop("follow_ask", True)
        node, asking = target_node, False
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(_MOST_REDIRECTS):
            try:
                return await (_ask(node, *args, **kwargs) if asking else node.execute_command(*args, **kwargs))
            except faults.AskError as error:  # MOVED is one of them
                asking = not isinstance(error, faults.MovedError)
                if asking and not follow_ask:
                    raise
                node = await self.redirected(error)
            except _NODE_FAILED:
                self.refresh(node.name)
                raise
            except asyncio.CancelledError:
                # Whoever asked was less patient than we are with a node that hangs.
                if loop.time() - began > _SLOW_SECONDS:
                    self.refresh(node.name)
                raise
        raise faults.ClusterError("redirected too often")


async def _ask(node: ClusterNode, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a reply
    """Send a command to the node that its slot moves to."""
    command = PipelineCommand(1, *args, **kwargs)
    await node.execute_pipeline([PipelineCommand(0, "ASKING"), command])
    if isinstance(command.result, Exception):
        raise command.result
    return command.result


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:  # noqa: FBT001, FBT002
        """Send the commands; one that is redirected follows on its own."""
        cluster = self.cluster_client
        assert isinstance(cluster, Cluster)  # noqa: S101 - made by its `pipeline`
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await super().execute(raise_on_error, allow_redirections)
        except asyncio.CancelledError:
            if loop.time() - began > _SLOW_SECONDS:
                cluster.refresh()
            raise
        except _NODE_FAILED:
            cluster.refresh()
            raise
