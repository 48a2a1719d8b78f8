"""The switch of an organization to another table: days in a shadow are put in place in bounded steps, and no answer mixes two cuts.

    days that begin where none began       moved to their live keys; no reader by the old table asks for these
    the table, and `recut`                 one step: from here on readers cut by the new table; days that begin where a stored
                                           one began they take from the shadow
    these days                             moved to their live keys from a second copy
    without `recut`                        one step: readers take all days from live keys
    days that are no more, the shadow      deleted; after the adoption of a first table these days stay for a day

An answer is cut by the table that is read with it, in one script. Each step that touches keys for which a reader may be about to
ask gives their workflows a new revision, which makes that reader ask again. A step has at most 250 keys. Killed before the swap
begins, nothing has changed, and the shadow expires; killed later, the partition's next owner runs the rest before anything else
(see `ingest/ownership/swap.py`).
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from sidedata import failpoints
from sidedata.batched import batched
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import FormerCut, ShadowDays
from sidedata.writes import swap
from sidedata.writes.commit import Ownership
from sidedata.writes.swap import ChangeStatus, SwapStep, WorkflowSwap
from sidedata.writes.zones.recut import drop

_CHUNK: Final = 250  # keys of a step: 2 ms on a slow machine


class Change(NamedTuple):
    """A key of a workflow's day, without the prefix of live keys; its expiry in seconds since the epoch, None if the key goes."""

    workflow: str
    name: str
    expiry: int | None


class Switch:
    """The switch of one organization.

    Args:
        shared: the starts of new days at which a stored day may begin, too.
        expiry: of shadows and steps, in seconds since the epoch.
        former: the stored cut, whose days stay for a time beside the new ones; None to delete them.
    """

    def __init__(
        self,
        gateway: Gateway,
        ownership: Ownership,
        organization: str,
        rules: str,
        shared: frozenset[int],
        expiry: int,
        former: FormerCut | None,
    ) -> None:
        self.shadow = Keyspace(ownership.partition, secrets.token_hex(4))
        self.copy = Keyspace(ownership.partition, secrets.token_hex(4))  # of the shared days alone
        self.shared = shared
        self._gateway = gateway
        self._ownership = ownership
        self._organization = organization
        self._rules = rules
        self._expiry = expiry
        self._former = former
        self._additions: list[Change] = []
        self._shared_changes: list[Change] = []
        self._deletions: list[Change] = []
        self._former_keys: list[Change] = []

    def add(self, start: int, change: Change) -> None:
        """Add a key of the shadow, of the new day that begins at `start`."""
        (self._shared_changes if start in self.shared else self._additions).append(change)

    def remove(self, start: int, change: Change, *, stays: bool) -> None:
        """Remove a live key, of the stored day that began at `start`: at once, or at the end of the time of `former`."""
        kept = self._former_keys if stays else self._deletions
        (self._shared_changes if start in self.shared else kept).append(change)

    def clear(self, change: Change) -> None:
        """Remove a live key that is left of an earlier cut, at the start of a new day that begins where no stored one begins."""
        self._additions.append(change)

    def _steps(self, newest_us: Mapping[str, int]) -> Iterator[SwapStep]:
        shadow, live = self.shadow.prefix, self._ownership.keyspace.prefix
        for chunk in batched(self._additions, _CHUNK):
            yield _step(shadow, live, chunk)
        days = ShadowDays(self.shadow.run, self.shared).encode() if self._shared_changes else ""
        former = () if self._former is None else ("former", self._former.encode())
        yield SwapStep(shadow, live, [], [], [], self._record("rules", self._rules, "recut", days, *former))
        for chunk in batched(self._shared_changes, _CHUNK):
            yield _step(self.copy.prefix, live, chunk, self._workflows(chunk, newest_us))
        if self._shared_changes:
            yield SwapStep(shadow, live, [], [], [], self._record("recut", ""))
        for chunk in batched(self._deletions, _CHUNK):
            yield _step(shadow, live, chunk, self._workflows(chunk, newest_us))
        for chunk in batched(self._former_keys, _CHUNK):
            yield _step(shadow, live, chunk, self._workflows(chunk, newest_us), self._former)
        read = [change._replace(expiry=None) for change in self._shared_changes if change.expiry is not None]
        for chunk in batched(read, _CHUNK):
            yield _step(shadow, shadow, chunk, self._workflows(chunk, newest_us))

    def _record(self, *fields: str) -> tuple[str, ...]:
        return (self._ownership.keyspace.organization(self._organization), *fields)

    def _workflows(self, changes: Iterable[Change], newest_us: Mapping[str, int]) -> list[WorkflowSwap]:
        live = self._ownership.keyspace
        return [
            WorkflowSwap.of(live, self._organization, workflow, newest_us.get(workflow, 0))
            for workflow in dict.fromkeys(change.workflow for change in changes)
        ]

    async def begin(self, timezone: str, newest_us: Mapping[str, int]) -> ChangeStatus:
        """Write the steps and begin the swap; "ok", "fenced" or "stale" as `writes.swap.begin` has it.

        Args:
            newest_us: the newest event of each workflow, in microseconds.

        Raises:
            StoreUnavailableError: the swap may have begun or not; the partition's next owner knows.
        """
        for step in self._steps(newest_us):
            await swap.add_step(self._gateway, self.shadow, step, self._expiry)
        failpoints.pass_by("before_swap")
        # Zone and kinds are fixed: the organization and these workflows have events.
        status = await swap.begin(self._gateway, self._ownership, self.shadow.run, self._organization, timezone, [])
        failpoints.pass_by("after_swap_begin")
        return status

    async def drop(self) -> None:
        """Delete the shadows and the steps."""
        shared = [change.name for change in self._shared_changes if change.expiry is not None]
        names = [*(change.name for change in self._additions if change.expiry is not None), *shared]
        keys = [*map(self.shadow.prefix.__add__, names), *map(self.copy.prefix.__add__, shared)]
        await drop(self._gateway, [self._ownership.keyspace.swap(self.shadow.run), *keys])


def _step(
    source: str,
    target: str,
    changes: Iterable[Change],
    workflows: Iterable[WorkflowSwap] = (),
    former: FormerCut | None = None,
) -> SwapStep:
    gone: list[str] = []
    moves: list[str | int] = []
    for _, name, expiry in changes:
        if expiry is None:
            gone.append(name)
        else:
            moves += (name, expiry)
    if former is None:
        return SwapStep(source, target, gone, moves, list(workflows), ())
    return SwapStep(source, target, [], moves, list(workflows), (), gone, former.until)
