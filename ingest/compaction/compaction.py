"""The compaction of one partition's old hours by its owner, in small pieces between two commits.

    once a day: keys of old hours ─▶ read some dense sketches ─▶ encode ─▶ write them, if fence and entry are the same ─▶ …

No number changes, so no revision does, and readers need not know. A late event makes the sketches of its hour dense again. So does
an import or a rebuild with all hours that it writes. The next pass finds these, because it looks at all hours.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from sidedata import failpoints
from sidedata.calendar.levels import Retention
from sidedata.errors import CommandRefusedError, StoreUnavailableError
from sidedata.ingest.compaction.old_hours import old_sketches
from sidedata.ingest.metrics import Metrics
from sidedata.reads.compaction import read_compaction_ms, read_dense
from sidedata.reads.servers import read_time_ms
from sidedata.redis.gateway import Gateway
from sidedata.settings import Settings
from sidedata.writes.buckets.compaction import record_compaction, store_sparse
from sidedata.writes.commit import Ownership

_log = logging.getLogger("sidedata.worker")

_INTERVAL_MS: Final = 86_400_000
_RETRY_SECONDS: Final = 60.0
_LONGEST_WAIT_SECONDS: Final = 600.0  # until the time of the next pass is compared with Redis's clock again
_DENSE_AT_ONCE: Final = 8  # sketches, 5 ms to encode
_PIECE_SECONDS: Final = 0.005  # a piece ends with the first step that ends after this time
_REST: Final = 20  # times as long as a piece takes


class Pace:
    """The share of a worker's time that all of its compactions take together: one piece at a time, and a rest after each."""

    def __init__(self, rest: float = _REST) -> None:
        self._rest = rest
        self._due_at = float("-inf")

    def begin(self, now: float) -> bool:
        """Tell if a piece may run at `now`, in seconds of a monotonic clock. Until its end no other may."""
        if now < self._due_at:
            return False
        self._due_at = float("inf")
        return True

    def end(self, began: float, now: float) -> None:
        """End a piece and begin the rest after it."""
        self._due_at = now + self._rest * (now - began)


class Compaction:
    """The compaction of the partition that `ownership` is for."""

    def __init__(
        self, gateway: Gateway, settings: Settings, ownership: Ownership, metrics: Metrics, pace: Pace
    ) -> None:
        self._gateway = gateway
        self._retention = Retention.of(settings)
        self._ownership = ownership
        self._metrics = metrics
        self._pace = pace
        self._due_at = float("-inf")
        self._began_ms = 0
        self._batches: AsyncIterator[list[str]] | None = None  # of the pass under way
        self._keys: list[str] = []  # of the last batch, those that are still to be looked at

    async def run_piece(self) -> None:
        """Do a piece of a pass, if one is due; not while a commit is under way.

        Where Redis is out of reach or refuses writes the pass begins again later. A write without a reply needs no other care: when
        Redis runs it, fence and entry decide.

        Raises:
            LeaseLostError: another owner has the partition.
        """
        began = time.monotonic()
        if began < self._due_at or not self._pace.begin(began):
            return
        try:
            while await self._step() and time.monotonic() < began + _PIECE_SECONDS:
                pass
        except CommandRefusedError as error:
            _log.warning("partition %d: old hours keep their memory: %s", self._ownership.partition, error)
            self._stop(_INTERVAL_MS / 1000)
        except StoreUnavailableError:
            self._stop(_RETRY_SECONDS)
        finally:
            self._pace.end(began, time.monotonic())

    def _stop(self, seconds: float) -> None:
        """End the pass; another one may begin after a time."""
        self._batches, self._keys = None, []
        self._due_at = time.monotonic() + seconds

    async def _step(self) -> bool:
        """Take a step of some milliseconds; false if no other one is due."""
        gateway, keyspace = self._gateway, self._ownership.keyspace
        if self._batches is None:
            now_ms = await read_time_ms(gateway, keyspace)
            remaining_ms = await read_compaction_ms(gateway, keyspace) + _INTERVAL_MS - now_ms
            if 0 < remaining_ms <= _INTERVAL_MS:  # else it is due, or the clock was set back
                self._due_at = time.monotonic() + min(remaining_ms / 1000, _LONGEST_WAIT_SECONDS)
                return False
            self._began_ms = now_ms
            self._batches = old_sketches(gateway, keyspace, self._retention, now_ms // 1000)
        if not self._keys:
            try:
                self._keys = await anext(self._batches)
            except StopAsyncIteration:
                await record_compaction(gateway, self._ownership, self._began_ms)
                self._batches = None
                return False
        if not self._keys:
            return True
        dense = await read_dense(gateway, keyspace, self._keys, _DENSE_AT_ONCE)
        self._keys = self._keys[dense.searched :]
        if dense.sketches:
            await self._store(dense.sketches)
        return True

    async def _store(self, dense: Mapping[str, bytes]) -> None:
        # In a thread, because the first call imports numpy.
        sparse = await asyncio.to_thread(_sparse_forms, dense)
        if not sparse:
            return
        failpoints.pass_by("before_compaction")
        await store_sparse(self._gateway, self._ownership, sparse)
        failpoints.pass_by("after_compaction")
        self._metrics.sketches_compacted.inc(len(sparse))
        self._metrics.bytes_compacted.inc(sum(len(dense[key]) - len(form) for key, form in sparse.items()))


def _sparse_forms(dense: Mapping[str, bytes]) -> dict[str, bytes]:
    """The sparse forms of sketches, where these save enough."""
    from sidedata.sketches.sparse_form import sparse_form  # noqa: PLC0415 - numpy, 28 MB that a worker of small workflows never needs

    forms = {key: sparse_form(sketch) for key, sketch in dense.items()}
    return {key: form for key, form in forms.items() if form is not None}
