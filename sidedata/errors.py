"""Errors by what the caller does next: retry, dead-letter, or stop.

Errors of the Redis client are translated into these at one boundary (`sidedata/redis/redis_errors.py`).
A mistake in an event is no exception but a `sidedata.events.decode.Rejection`, because it is data: it becomes a dead letter.
"""


class SidedataError(Exception):
    """The base of every error that this project raises on purpose; its text is one line for a person.

    `code` is the first word of Redis's error reply, such as `MISCONF`; "" where Redis sent none.
    """

    code: str = ""


class StoreUnavailableError(SidedataError):
    """Retry: Redis is out of reach, restarting, failing over, or out of memory; nothing was half done."""


def late_error(text: str) -> StoreUnavailableError:
    """Make the error of an answer that was not ready in time; its code is TIMEOUT."""
    error = StoreUnavailableError(text)
    error.code = "TIMEOUT"
    return error


class StopError(SidedataError):
    """Stop: going on would be wrong until an operator changes something."""


class FixedError(StopError):
    """Stop: a zone or a kind is fixed by events that were counted in it."""


class CommandRefusedError(StopError):
    """Stop, or do without: Redis refused a command, for want of a right or because of a key of another type."""


class LeaseLostError(SidedataError):
    """Stop this partition: another owner took it; drop the work in hand and compete for a lease again."""


class UsageError(SidedataError):
    """Misuse: the caller's arguments make no sense; report it and exit with 2."""
