"""The translation of Redis's and its client's errors into "retry" or "stop"; no other module knows the client's own.

A server's text may hold anything, arguments and passwords included. So the translated error carries a redacted line of it, and
the client's error is not attached as its cause: a traceback would print it whole.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as redis_errors

from sidedata.conditions import CONDITIONS
from sidedata.errors import CommandRefusedError, SidedataError, StopError, StoreUnavailableError
from sidedata.redaction import first_line

PASSING = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterError,
    redis_errors.AskError,
    redis_errors.RedisClusterException,
    OSError,
)
# The first word of an error reply. Redis 6.2 puts a sentence in front of a script's.
_CODES = re.compile(rf"(?:^|: -)({'|'.join(CONDITIONS)})\b")
# Errors for which redis-py has a class cut their code off.
_CLASSES = {
    redis_errors.BusyLoadingError: "LOADING",
    redis_errors.OutOfMemoryError: "OOM",
    redis_errors.ReadOnlyError: "READONLY",
    redis_errors.MasterDownError: "MASTERDOWN",  # a kind of the next one
    redis_errors.ClusterDownError: "CLUSTERDOWN",
    redis_errors.TryAgainError: "TRYAGAIN",
    redis_errors.NoPermissionError: "NOPERM",
    redis_errors.AuthenticationError: "WRONGPASS",
}
_LOGIN_REQUIRED = re.compile(r"\b(NOAUTH|[Aa]uthentication required)\b")
# The errors of a script whose keys are on their way to another node of the cluster, some here and some there. Redis has had the
# second one since 7.4.
_MOVING = ("access a non local key in a cluster node", "undeclared keys were accessed during rehashing of the slot")


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
    except (redis_errors.RedisError, redis_errors.RedisClusterException, OSError) as error:
        raise _translation(error) from None


def _translation(error: BaseException) -> SidedataError:
    cause = error.__cause__  # of a failed login, or of a cluster's node that refused its map of slots
    if code := code_of(error) or (code_of(cause) if cause else ""):
        return _of_code(code, error)
    text = first_line(error)
    if isinstance(cause, redis_errors.RedisClusterException):
        translation: SidedataError = StopError(f"this is no Redis Cluster: {first_line(cause)}")
    elif isinstance(error, PASSING):
        translation = StoreUnavailableError(f"Redis is out of reach: {text}")
    elif any(words in str(error) for words in _MOVING):
        translation = _with_code(StoreUnavailableError(CONDITIONS["TRYAGAIN"].detail), "TRYAGAIN")
    elif isinstance(error, redis_errors.ResponseError):
        translation = CommandRefusedError(f"Redis refused a command: {text}")
    else:
        translation = StopError(f"the server does not speak as Redis does: {text}")
    return translation


def _of_code(code: str, error: BaseException) -> SidedataError:
    condition = CONDITIONS[code]
    if condition.passing:
        return _with_code(StoreUnavailableError(condition.detail), code)
    if code == "NOPERM":
        return _with_code(CommandRefusedError(f"Redis refused a command: {first_line(error)}"), code)
    return _with_code(StopError(f"{condition.detail}: {first_line(error)}"), code)


def _with_code(error: SidedataError, code: str) -> SidedataError:
    error.code = code
    return error


def code_of(error: BaseException) -> str:
    """The code of an error reply; "" for one without a known code, and for any other error."""
    if isinstance(error, redis_errors.AuthenticationError) and _LOGIN_REQUIRED.search(str(error)):
        return "NOAUTH"
    for kind, code in _CLASSES.items():
        if isinstance(error, kind):
            return code
    match = _CODES.search(str(error)) if isinstance(error, redis_errors.ResponseError) else None
    return match.group(1) if match else ""


def is_master_error(error: BaseException) -> bool:
    """Tell if a server refused a write, in a script or outside of one, because it is no master or may have a successor."""
    return code_of(error) in {"READONLY", "NOREPLICAS"}
