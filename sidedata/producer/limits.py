"""Limits of a producer's batches, buffer and patience."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Size of a batch, size of the buffer, and when to give up.

    Attributes:
        batch_events: events that go to Redis at once, at most.
        linger_seconds: longest wait of a batch for more events. Only `send_nowait` lingers: an awaited `send` goes at once.
        buffer_events: events that may wait, those on their way included.
        buffer_bytes: bytes of JSON that may wait. One event is always taken, however large.
        backlog_limit: stream entries of a partition above which its events are held back until the workers caught up.
            None: no check, and XADD is the only command used, for accounts with no other right.
        wait_replicas: replicas that must have a batch before it counts as sent.
        attempts: tries of one batch while Redis is out of reach, before its events fail. None: no limit.

    Raises:
        ValueError: a value makes no sense.
    """

    batch_events: int = 500
    linger_seconds: float = 0.5
    buffer_events: int = 10_000
    buffer_bytes: int = 64 * 1024 * 1024
    backlog_limit: int | None = 100_000
    wait_replicas: int = 0
    attempts: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_events", "buffer_events", "buffer_bytes", "backlog_limit", "attempts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, it must be at least 1")
        for name in ("linger_seconds", "wait_replicas"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} is {value}, it must not be negative")
        if self.wait_replicas and self.backlog_limit is None:
            raise ValueError("wait_replicas needs a backlog_limit: without one XADD is the only command used")
