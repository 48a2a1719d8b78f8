"""The comparison of all organizations of a worker's partitions with the newest rules of their zones.

It runs when a partition is taken, twice an hour, and again soon where zone data are just being replaced or old workers have left.
The first time, one scan finds the organizations of all partitions, because a version without lists may have left some out of them.
Those are listed then, and later the lists suffice: a scan looks at every key. Each partition's own task compares and adopts, some
at a time between two commits, so that no commit is under way when days are cut again.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from sidedata.clock import Clock
from sidedata.errors import CommandRefusedError, StoreUnavailableError
from sidedata.ingest.apply.partition import Partition
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.reads.records import listed_organizations
from sidedata.reads.zones.organizations import organizations_of
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace, keyspace
from sidedata.writes.records import list_in_partition

_log = logging.getLogger("sidedata.worker")

_INTERVAL_SECONDS: Final = 1800.0
_UNSETTLED_SECONDS: Final = 10.0  # zone data are being replaced
_AT_ONCE: Final = 50  # organizations between two commits
_LAST_COMMAND_SECONDS: Final = 0.5


class PendingComparison:
    """The organizations of one partition that are still to be compared; emptied by the partition's task."""

    def __init__(self) -> None:
        self.due_at = float("-inf")
        self.is_scanned = False  # since the partition was taken, and since no old workers are left
        self.organizations: dict[str, None] = {}
        self.release: str | None = None  # all are listed: the release to record when they are compared

    async def continue_with(self, partition: Partition) -> bool:
        """Compare some organizations; true if more are waiting.

        Raises:
            LeaseLostError: another owner has the partition.
            StoreUnavailableError: Redis is out of reach.
        """
        if self.organizations:
            some = list(self.organizations)[:_AT_ONCE]
            await partition.compare_zones(some)
            for organization in some:
                self.organizations.pop(organization, None)
        elif self.release is not None:
            release, self.release = self.release, None
            await partition.finish_comparison(release)
        return bool(self.organizations)


class Comparison:
    """The search for organizations, in a task of its own."""

    def __init__(self, gateway: Gateway, rulebook: Rulebook, clock: Clock) -> None:
        self._gateway = gateway
        self._rulebook = rulebook
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._old_workers = False
        self._departures = 0  # how often the last old workers have left
        self._is_stopped = False

    def start_if_due(self, partitions: Mapping[int, PendingComparison]) -> None:
        """Begin a search for those partitions that are due, unless one is under way."""
        if self._old_workers and not self._rulebook.old_workers:
            self._departures += 1
            for pending in partitions.values():
                pending.due_at, pending.is_scanned = float("-inf"), False
        self._old_workers = self._rulebook.old_workers
        now = self._clock.now()
        due = {
            number: pending
            for number, pending in partitions.items()
            if pending.due_at <= now or pending.due_at > now + _INTERVAL_SECONDS  # the clock was set back
        }
        if due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._search(due), name="comparison of zones")

    async def stop(self) -> None:
        """End the search after its command under way. Only one that Redis does not answer is cancelled.

        A client that is cancelled while it connects leaves the connection open.
        """
        self._is_stopped = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST_COMMAND_SECONDS)
            self._task.cancel()

    async def _search(self, due: Mapping[int, PendingComparison]) -> None:
        departures = self._departures
        data = await self._rulebook.refresh()
        with suppress(StoreUnavailableError):  # the next tick begins again
            unscanned = {number: pending for number, pending in due.items() if not pending.is_scanned}
            are_scanned = not unscanned or await self._scan(unscanned)
            for number, pending in due.items():
                await self._read_list(keyspace(number), pending)
            if self._is_stopped or departures != self._departures:
                return  # not all were found; where old workers have left meanwhile the next tick begins again
            for pending in due.values():
                pending.is_scanned = pending.is_scanned or are_scanned
                pending.release = data.release if pending.is_scanned else None
                pending.due_at = self._clock.now() + (_INTERVAL_SECONDS if data.settled else _UNSETTLED_SECONDS)

    async def _scan(self, unscanned: Mapping[int, PendingComparison]) -> bool:
        """Find organizations by their keys, and list them for the next time; false if the account has no right to."""
        try:
            async for number, organizations in organizations_of(self._gateway, unscanned):
                if self._is_stopped:
                    return False
                unscanned[number].organizations.update(dict.fromkeys(organizations))
                await list_in_partition(self._gateway, keyspace(number), organizations)
        except CommandRefusedError as error:
            _log.warning("newer rules of zones are adopted with the next events only, not before: %s", error)
            return False
        return True

    async def _read_list(self, of_partition: Keyspace, pending: PendingComparison) -> None:
        async for organizations in listed_organizations(self._gateway, of_partition):
            if self._is_stopped:
                return
            pending.organizations.update(dict.fromkeys(organizations))
