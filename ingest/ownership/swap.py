"""The swap: the keys of a shadow replace the live keys, in bounded steps of which all run or none.

    write the steps ─▶ begin: the cursor names the run ─▶ step ─▶ step ─▶ … ─▶ the last step: the cursor names no run
                                   └── killed from here on: the partition's next owner runs the rest, before anything else

A step is a script (`swap_step.lua`): in one instant it moves keys, deletes other keys and removes itself from the list of steps.
All buckets of a workflow are one step, so no reader sees half a workflow. The state of visitors for attribution may be swapped in
pieces, because only the partition's owner reads it. The organization's record is the last step. Its field `since` is the epoch that
salts the ids of events, so from that instant on the ids that the rebuild has recorded count, and no others. Where the time zone or
its table changes, all workflows and the record are one step, because readers cut intervals by the zone.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from sidedata import failpoints
from sidedata.batched import batched
from sidedata.errors import LeaseLostError, StopError
from sidedata.redis.gateway import Gateway
from sidedata.schema.key_names import parse_within
from sidedata.schema.keys import Keyspace
from sidedata.settings import Settings
from sidedata.writes import swap
from sidedata.writes.commit import Ownership
from sidedata.writes.swap import SwapStep, WorkflowSwap

_CHUNK = 1_000  # keys of a step that no reader waits for


class Swap(Struct):
    """The content of a swap; keys are named without the prefix of the shadow's or of live keys."""

    organization: str
    shadow: Keyspace
    timezone: str
    rules: str  # the table of the zone that the shadow was cut by
    new_timezone: bool  # another zone, or another table of it
    id_epoch_ms: int
    expiries: Mapping[str, int]  # by name of a key of the shadow: its future expiry, in seconds since the epoch
    stored: set[str]  # names of the live keys to replace
    kinds: Mapping[str, str]  # of all workflows, with or without events
    newest_us: Mapping[str, int]  # of workflows with events, µs

    def _step(
        self, names: Iterable[str], workflows: Iterable[str] = (), organization: tuple[str, ...] = ()
    ) -> SwapStep:
        moves: list[str | int] = []
        deletions: list[str] = []
        for name in names:
            expiry = self.expiries.get(name)
            if expiry is None:
                deletions.append(name)
            else:
                moves += (name, expiry)
        live = self.shadow.live
        swaps = [
            WorkflowSwap.of(live, self.organization, workflow, self.newest_us.get(workflow, 0))
            for workflow in workflows
        ]
        return SwapStep(self.shadow.prefix, live.prefix, deletions, moves, swaps, organization)

    def steps(self) -> Iterator[SwapStep]:
        """The steps in order: new names of goals before the workflows that show them, old ones after them."""
        by_workflow: dict[str, list[str]] = {workflow: [] for workflow in self.kinds}
        visitors: list[str] = []
        goals: list[str] = []
        old_goals: list[str] = []
        for name in self.stored | self.expiries.keys():
            parsed = parse_within(name)
            if parsed is None:
                continue  # the key of another program
            if parsed.workflow is not None:
                by_workflow.setdefault(parsed.workflow, []).append(name)
            elif parsed.kind == "visitor":
                visitors.append(name)
            else:
                (goals if name in self.expiries else old_goals).append(name)
        record = self.shadow.live.organization(self.organization)
        organization = (
            record,
            "timezone",
            self.timezone,
            "rules",
            self.rules,
            "since",
            str(self.id_epoch_ms),
            "former",
            "",
        )
        for names in (goals, visitors):
            yield from map(self._step, batched(names, _CHUNK))
        if self.new_timezone:
            names = [name for buckets in by_workflow.values() for name in buckets]
            yield self._step([*names, *old_goals], by_workflow, organization)
            return
        for workflow, names in by_workflow.items():
            # Buckets of a workflow without a record, then or now, are deleted or moved alone.
            yield self._step(names, [workflow] if workflow in self.kinds else ())
        yield from map(self._step, batched(old_goals, _CHUNK))
        yield self._step((), (), organization)


async def begin(gateway: Gateway, ownership: Ownership, content: Swap, expiry: int) -> None:
    """Write the steps and begin; `expiry` (seconds since the epoch) is that of the shadow's keys.

    Raises:
        StopError: an organization or a workflow was registered meanwhile; nothing happened.
        LeaseLostError: another owner came; nothing happened.
        StoreUnavailableError: the swap may have begun or not; the partition's next owner knows.
    """
    for step in content.steps():
        await swap.add_step(gateway, content.shadow, step, expiry)
    failpoints.pass_by("before_swap")
    kinds = list(content.kinds.items())
    status = await swap.begin(gateway, ownership, content.shadow.run, content.organization, content.timezone, kinds)
    if status == "stale":
        raise StopError("an organization or a workflow was registered meanwhile, nothing is changed; run it again")
    if status != "ok":
        raise LeaseLostError("another owner took the partition, nothing is changed; run it again")
    failpoints.pass_by("after_swap_begin")


async def complete(gateway: Gateway, settings: Settings, ownership: Ownership, run: str) -> None:
    """Run the remaining steps of a swap; a partition's owner does it before anything else.

    Raises:
        LeaseLostError: another owner came, which continues it.
        StopError: no owner has completed it for a day, and the rest has expired.
    """
    keyspace = ownership.keyspace
    remaining: int | str = 1
    while remaining:
        remaining = await swap.run_step(gateway, settings, ownership, run)
        if remaining == "fenced":
            raise LeaseLostError(f"partition {keyspace.partition} has another owner")
        if remaining == "missing":
            raise StopError(
                f"the shadow of rebuild {run} has expired in the middle of its swap: "
                f"delete the field `swap` of {keyspace.cursor} and rebuild again"
            )
        failpoints.pass_by("after_swap_step")
    failpoints.pass_by("after_swap")
