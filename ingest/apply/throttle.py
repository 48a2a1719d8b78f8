"""The throttle of streams that bring nothing but dead letters.

A broken producer can fill a stream with events that can't be applied. Each becomes a dead letter, which costs more than an event
and pushes older dead letters out. So a partition that brings many of them within seconds, and nothing else, is read with pauses:
it never stops, and the producers notice by the backlog. One event that can be applied, in any batch, ends the pauses.
"""

import logging
import time
from collections import deque

from sidedata.ingest.metrics import Metrics

_log = logging.getLogger("sidedata.worker")

# Batches and dead letters within this many seconds, and no other event, before the first pause: a few lone ones in a quiet
# partition are no emergency.
_WINDOW_SECONDS = 10.0
_MIN_BATCHES = 3
_MIN_DEAD_LETTERS = 500
_FIRST_PAUSE_SECONDS = 0.05
# An event that arrives in a pause must still be in the answers within a second.
_LONGEST_PAUSE_SECONDS = 0.5
# The number of batches between two warnings of dropped dead letters.
_WARNING_INTERVAL = 1_000


class DeadLetterThrottle:
    """The recent batches of a partition, and the pause that follows from them."""

    def __init__(self, partition: int, metrics: Metrics) -> None:
        self._partition = partition
        self._metrics = metrics
        # A partition that went quiet is poisoned no more, and tells so without another batch.
        metrics.throttled.labels(str(partition)).set_function(lambda: float(self._is_poisoned()))
        self._recent: deque[tuple[float, int]] = (
            deque()
        )  # monotonic time and number of the dead letters of recent batches
        self._silence = 0  # batches without another warning of dropped dead letters
        self.pause_seconds = 0.0  # before the next read

    def record(self, *, valid: int, dead_letters: int, dropped: int) -> None:
        """Record a committed batch.

        Args:
            valid: events that were applied, or had been applied before.
            dead_letters: new dead letters.
            dropped: old dead letters that the commit dropped.
        """
        self._record_dropped(dropped)
        if valid:
            if self.pause_seconds:
                _log.info("partition %d has events again that can be applied", self._partition)
            self._recent.clear()
            self.pause_seconds = 0.0
        elif dead_letters:
            self._recent.append((time.monotonic(), dead_letters))
            if self._is_poisoned():
                self._slow_down()
            else:
                self.pause_seconds = 0.0

    def _is_poisoned(self) -> bool:
        """Tell if the partition brought nothing but dead letters lately, and many of them."""
        recent = self._recent
        while recent and recent[0][0] < time.monotonic() - _WINDOW_SECONDS:
            recent.popleft()
        return len(recent) >= _MIN_BATCHES and sum(number for _, number in recent) >= _MIN_DEAD_LETTERS

    def _slow_down(self) -> None:
        if not self.pause_seconds:
            _log.warning(
                "partition %d brings nothing but events that can't be applied; slowing down, see `sidedata dead list`",
                self._partition,
            )
        self.pause_seconds = min(max(2 * self.pause_seconds, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)

    def _record_dropped(self, dropped: int) -> None:
        self._silence = max(0, self._silence - 1)
        if not dropped:
            return
        self._metrics.dead_letters_dropped.inc(dropped)
        if not self._silence:
            _log.warning(
                "partition %d: %d dead letters dropped by age or number (SIDEDATA_KEEP_DEAD_DAYS, SIDEDATA_DEAD_LIMIT)",
                self._partition,
                dropped,
            )
            self._silence = _WARNING_INTERVAL
