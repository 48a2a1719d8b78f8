"""The translation of Redis's and its client's errors into "retry" or "stop"; no other module knows the client's own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as redis_errors

from sidedata.errors import CommandRefusedError, StopError, StoreUnavailableError

PASSING = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.BusyLoadingError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.ClusterDownError,
    redis_errors.ClusterError,
    redis_errors.MasterDownError,
    redis_errors.TryAgainError,
    redis_errors.AskError,
    redis_errors.RedisClusterException,
    OSError,
)
# Replies that redis-py has no class for. Redis 6.2 puts a sentence in front of a script's.
_PASSING_CODES = re.compile(
    r"(?:^|: -)(?:LOADING|BUSY|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|NOREPLICAS)\b"
)
_READ_ONLY_CODE = re.compile(r"(?:^|: -)READONLY\b")
# The error of a script whose keys are on their way to another node of the cluster, some here and some there.
_MOVING = "access a non local key in a cluster node"
# A server that lacks a command repeats its arguments, a password among them.
_ARGUMENTS = re.compile(r",? with args beginning with:.*", re.DOTALL)


@contextmanager
def translated() -> Iterator[None]:
    """Translate errors of the Redis client.

    Raises:
        StoreUnavailableError: Redis is out of reach, not ready, or out of memory.
        CommandRefusedError: Redis refused the command for good: a missing right, a key of another type.
        StopError: Redis refused the login, or is of another kind than the address says.
    """
    try:
        yield
    except redis_errors.AuthenticationError as error:
        raise StopError(f"Redis refused the login: {first_line(error)}") from error
    except redis_errors.NoPermissionError as error:
        raise CommandRefusedError(f"Redis refused a command: {first_line(error)}") from error
    except PASSING as error:
        # Why no node of a cluster gave its map of slots is the cause of that error.
        if isinstance(error.__cause__, redis_errors.AuthenticationError | redis_errors.NoPermissionError):
            raise StopError(f"Redis refused the login: {first_line(error.__cause__)}") from error
        if isinstance(error.__cause__, redis_errors.RedisClusterException):
            raise StopError(f"this is no Redis Cluster: {first_line(error.__cause__)}") from error
        raise StoreUnavailableError(f"Redis is out of reach: {first_line(error)}") from error
    except redis_errors.ResponseError as error:
        if _PASSING_CODES.search(str(error)) or _MOVING in str(error):
            raise StoreUnavailableError(f"Redis can't serve now: {first_line(error)}") from error
        raise CommandRefusedError(f"Redis refused a command: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Cut an error's text to one short line without arguments of commands, which may hold a password."""
    lines = _ARGUMENTS.sub("", str(error)).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def is_read_only(error: BaseException) -> bool:
    """Tell if a server refused a write because it is a replica, in a script or outside of one."""
    return isinstance(error, redis_errors.ReadOnlyError) or _READ_ONLY_CODE.search(str(error)) is not None
