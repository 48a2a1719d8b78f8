"""The gathering of live events: the pause after a batch that emptied the stream. Pure.

Events that arrive in the pause are committed together. A commit has costs of its own and costs of each workflow in it, so few large
batches take less of worker and Redis than many small ones. The price is that an event is in the answers that much later at most.
"""

from typing import Final

_SHORTEST_SECONDS: Final = 0.1
# With the commits of all partitions behind it, an event is in the answers within 0.8 seconds (docs/CONTRACT.md allows one).
_LONGEST_SECONDS: Final = 0.5
# A stream with fewer events a second costs little by itself, so its events need not wait for others.
_QUIET_RATE: Final = 10.0
# A batch of this many events saves nearly all that a batch can save, and keeps Redis for some 10 ms.
_ENOUGH_EVENTS: Final = 2_000


class Gathering:
    """The measured rate of a partition's events, and the pause that follows from it."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._at: float | None = None

    def pause(self, events: int, now: float) -> float:
        """The pause in seconds after a batch of `events` events; `now` is in seconds of a monotonic clock."""
        if self._at is not None and now > self._at:
            rate = events / (now - self._at)
            self._rate = (self._rate + rate) / 2  # of the last few batches, so that one burst decides little
        self._at = now
        if self._rate < _QUIET_RATE:
            return _SHORTEST_SECONDS
        return min(max(_ENOUGH_EVENTS / self._rate, _SHORTEST_SECONDS), _LONGEST_SECONDS)
