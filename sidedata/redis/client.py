"""The connection to Redis: stand-alone, cluster or Unix socket; and the one place where its errors become ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis.exceptions as faults
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sidedata.errors import StopError, StoreUnavailableError, UsageError
from sidedata.redis.cluster import MOST_CONNECTIONS, Cluster
from sidedata.redis.multiplex import Single

# The client's own stubs leave replies untyped (`Any`), so one alias for both kinds of client loses nothing.
Client = Any

_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")

_PASSING = (
    faults.ConnectionError,
    faults.TimeoutError,
    faults.BusyLoadingError,
    faults.OutOfMemoryError,
    faults.ReadOnlyError,
    faults.ClusterDownError,
    faults.ClusterError,
    faults.MasterDownError,
    faults.TryAgainError,
    faults.AskError,
    faults.RedisClusterException,
    OSError,
)
# Replies that redis-py has no class of its own for; Redis 6.2 tells a script's with a sentence before them.
_PASSING_CODES = re.compile(
    r"(?:^|: -)(?:LOADING|BUSY|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|NOREPLICAS)\b"
)
# What a script is told while its keys are on their way to another node of the cluster, some here and some there.
_MOVING = "access a non local key in a cluster node"


def connect(url: str, *, timeout: float) -> Client:
    """A client that opens connections when they are needed and waits `timeout` seconds at most for any of them.

    Raises:
        UsageError: the address is of none of the five kinds, or can't be read.
    """
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        # The address may hold a password, so the text doesn't repeat it.
        raise UsageError(
            "SIDEDATA_REDIS_URL must begin with redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://"
        )
    retry = Retry(NoBackoff(), 0)  # who asks knows best whether to ask again
    options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    try:
        client: Client
        if scheme.endswith("+cluster"):
            client = Cluster.from_url(url.replace("+cluster", "", 1), **options)
            client.make_connection()
        else:
            client = Single.from_url(url, retry=retry, max_connections=MOST_CONNECTIONS, **options)
            client.connection_pool.make_connection()  # opens nothing, but knows which parameters of an address there are
    except (TypeError, ValueError, faults.RedisError, faults.RedisClusterException) as error:
        raise UsageError("SIDEDATA_REDIS_URL can't be read as an address") from error
    return client


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the Redis client into "retry" or "stop".

    Raises:
        StoreUnavailableError: Redis is out of reach, not ready, or out of memory.
        StopError: Redis refused for good: wrong password, missing right, key of another type.
    """
    try:
        yield
    except faults.AuthenticationError as error:
        raise StopError(f"Redis refused the login: {error}") from error
    except faults.NoPermissionError as error:
        raise StopError(f"Redis refused a command: {error}") from error
    except _PASSING as error:
        # Why no node of a cluster could be asked for its map is the cause of that error.
        if isinstance(error.__cause__, faults.AuthenticationError | faults.NoPermissionError):
            raise StopError(f"Redis refused the login: {error.__cause__}") from error
        if isinstance(error.__cause__, faults.RedisClusterException):
            raise StopError(f"this is no Redis Cluster: {error.__cause__}") from error
        raise StoreUnavailableError(f"Redis is out of reach: {_first_line(error)}") from error
    except faults.ResponseError as error:
        if _PASSING_CODES.search(str(error)) or _MOVING in str(error):
            raise StoreUnavailableError(f"Redis can't serve now: {_first_line(error)}") from error
        raise StopError(f"Redis refused a command: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


async def server_ms(client: Client, key: str) -> int:
    """Redis's own clock in milliseconds since the epoch, on the node that holds `key`."""
    arguments = {"target_nodes": client.get_node_from_key(key)} if isinstance(client, RedisCluster) else {}
    seconds, microseconds = await client.execute_command("TIME", **arguments)
    return int(seconds) * 1000 + int(microseconds) // 1000
