"""Streams of nothing but poison: seen, said, and slowed down.

A producer that has gone wrong can fill a stream with events that can't be applied. Each becomes a dead letter, which costs more
than an event and pushes older letters out. So a partition that brings nothing else for a while is read with pauses: it never
stops, and the producers learn by the backlog. One event that can be applied, in any batch, ends it.
"""

import logging

from sidedata.ingest.metrics import Metrics

_log = logging.getLogger("sidedata.worker")

# Batches in a row that are nothing but letters before the first pause: a handful of bad events is nobody's emergency.
_PATIENCE = 3
_FIRST_PAUSE_SECONDS = 0.05
# An event that arrives in a pause must still be in the answers within a second.
_LONGEST_PAUSE_SECONDS = 0.5
# How many batches may go by between two warnings that letters are being dropped.
_DROPS_SAID_EVERY = 1_000


class Poison:
    """What a partition's batches have been of late."""

    def __init__(self, partition: int, metrics: Metrics) -> None:
        self._partition = partition
        self._metrics = metrics
        self._gauge = metrics.poisoned.labels(str(partition))
        self._gauge.set(0)
        self._run = 0
        self._quiet = 0  # batches for which dropped letters need not be mentioned again
        self.pause_seconds = 0.0  # before the next read

    def batch(self, good: int, letters: int, letters_dropped: int) -> None:
        """A batch was committed: events that were applied or known already, new dead letters, old ones that had to go."""
        self._dropped(letters_dropped)
        if good:
            if self.pause_seconds:
                _log.info("partition %d has events again that can be applied", self._partition)
            self._run = 0
            self.pause_seconds = 0.0
            self._gauge.set(0)
        elif letters:
            self._run += 1
            if self._run >= _PATIENCE:
                self._slow_down()

    def _slow_down(self) -> None:
        if not self.pause_seconds:
            _log.warning(
                "partition %d brings nothing but events that can't be applied; slowing down, see `sidedata dead list`",
                self._partition,
            )
            self._gauge.set(1)
        self.pause_seconds = min(max(2 * self.pause_seconds, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)

    def _dropped(self, letters: int) -> None:
        self._quiet = max(0, self._quiet - 1)
        if not letters:
            return
        self._metrics.letters_dropped.inc(letters)
        if not self._quiet:
            _log.warning(
                "partition %d: %d dead letters dropped by age or number (SIDEDATA_KEEP_DEAD_DAYS, SIDEDATA_DEAD_LIMIT)",
                self._partition,
                letters,
            )
            self._quiet = _DROPS_SAID_EVERY
