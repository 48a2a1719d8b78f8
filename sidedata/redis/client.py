"""The opening of a gateway: an address becomes a pool of connections to one server, or to a cluster."""

import inspect
import os
from collections.abc import Mapping
from ssl import SSLContext
from typing import Final
from urllib.parse import urlsplit

import redis
import redis.exceptions as redis_errors
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import AbstractConnection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sidedata.errors import StopError, UsageError
from sidedata.redaction import register
from sidedata.redis.cluster import ClusterGateway
from sidedata.redis.exchange import connect_to_master
from sidedata.redis.gateway import Gateway
from sidedata.redis.standalone import StandaloneGateway

SCHEMES: Final = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")
# The oldest redis-py that pyproject.toml allows. pip only warns when another package brings back an older one, whose private names
# differ.
OLDEST_CLIENT: Final = (7, 1)
# Of one node. A worker waits on one connection for each of its partitions, a service on one for each question in flight.
MOST_CONNECTIONS: Final = 20_000
# The older protocol: its replies have one shape on all servers, proxies without HELLO know it, and redis-py 8.1.0 hands out
# connections of the newer one that the server has closed (its issue 4252).
_PROTOCOL: Final = 2

# Without the two CLIENT SETINFO by which redis-py introduces itself: they take three quarters of a new connection's time, not every
# server knows them, and not every user may send them.
_ANONYMOUS: Final[Mapping[str, None]] = (
    {"driver_info": None}
    if "driver_info" in inspect.signature(AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)
_TLS_FILES: Final = ("ca_certs", "certfile", "keyfile")
_tls_contexts: dict[tuple[object, ...], SSLContext] = {}


class _TlsConnection(SSLConnection):
    """A connection over TLS that reads certificates again once their files have changed: they are rotated under way.

    redis-py reads them once for each connection object, which lives as long as the process.
    """

    def _connection_arguments(self) -> Mapping[str, object]:
        made = self.ssl_context
        options = [name for name in vars(type(made))["__slots__"] if name != "context"]
        files = [getattr(made, name) for name in _TLS_FILES]
        stamps = [os.stat(file).st_mtime_ns if file and os.path.exists(file) else 0 for file in files]  # noqa: PTH110, PTH116 - text
        key = (*(str(getattr(made, name)) for name in options), *stamps)
        if key not in _tls_contexts:
            made.context = None
            context = made.get()
            _tls_contexts.clear()
            _tls_contexts[key] = context
        made.context = _tls_contexts[key]
        return super()._connection_arguments()


def connect(url: str, *, timeout: float) -> Gateway:
    """A gateway that opens connections when they are needed and waits `timeout` seconds at most for any of them.

    Raises:
        UsageError: the address is of none of the five kinds, or can't be parsed.
        StopError: the installed redis-py is too old.
    """
    _check_client()
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        # The address may hold a password, so the text doesn't repeat it.
        raise UsageError(
            "SIDEDATA_REDIS_URL must begin with redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://"
        )
    try:
        return _cluster(url, timeout) if scheme.endswith("+cluster") else _standalone(url, timeout)
    except (TypeError, ValueError, redis_errors.RedisError, redis_errors.RedisClusterException):
        raise UsageError("SIDEDATA_REDIS_URL can't be read as an address") from None


def _check_client() -> None:
    major, minor, *_ = redis.__version__.split(".")
    if (int(major), int(minor)) < OLDEST_CLIENT:
        oldest = ".".join(map(str, OLDEST_CLIENT))
        raise StopError(
            f"sidedata needs redis-py {oldest} or newer, not {redis.__version__}: pip install 'redis>={oldest}'"
        )


def _standalone(url: str, timeout: float) -> StandaloneGateway:
    pool = ConnectionPool.from_url(
        url,
        retry=Retry(NoBackoff(), 0),  # the caller knows best if a repetition makes sense
        max_connections=MOST_CONNECTIONS,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        protocol=_PROTOCOL,
        **_ANONYMOUS,
        redis_connect_func=connect_to_master,
    )
    pool.connection_kwargs["protocol"] = _PROTOCOL  # the address may name another
    register(str(pool.connection_kwargs.get("password") or ""))
    if pool.connection_class is SSLConnection:
        pool.connection_class = _TlsConnection
    # Opens nothing, but knows which parameters an address has.
    pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's own
    return StandaloneGateway(pool)


def _cluster(url: str, timeout: float) -> ClusterGateway:
    cluster = RedisCluster.from_url(
        url.replace("+cluster", "", 1),
        # The address that was given stays the first to ask: the cluster's nodes may all get new ones.
        dynamic_startup_nodes=False,
        retry=Retry(NoBackoff(), 0),
        max_connections=MOST_CONNECTIONS,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        protocol=_PROTOCOL,
        **_ANONYMOUS,
    )
    node = next(iter(cluster.nodes_manager.startup_nodes.values()))
    if node.connection_class is SSLConnection:
        node.connection_class = cluster.connection_kwargs["connection_class"] = _TlsConnection
    register(str(node.connection_kwargs.get("password") or ""))
    node.connection_class(**node.connection_kwargs)  # opens nothing, but knows which parameters an address has
    return ClusterGateway(cluster)
