"""Putting what a rebuild has built in the place of what is stored, in bounded steps that are all done or none.

    write the steps ─▶ begin: the cursor names the run ─▶ step ─▶ step ─▶ … ─▶ the last one: the cursor names it no more
                                   └── killed from here on: who owns the partition next does the rest, before anything else

A step is a script (`swap_step.lua`): it moves keys, deletes others and leaves the list of steps in one instant. All of a
workflow's buckets are one step, so no reader sees half a workflow; what attribution remembers of visitors is read by the
partition's owner alone and may come in pieces. The organization's record comes last. Its `since` salts the ids of events, so the
ids that the rebuild has remembered, and no others, count from that instant on. Where the time zone changes all workflows and the
record are one step, because readers cut intervals by the zone.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec
from msgspec import Struct

from sidedata import failpoints
from sidedata.errors import LeaseLostError, StopError
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership

_BEGIN = script("begin_swap")
_STEP = script("swap_step", reaches=True)
_PIECE = 1_000  # keys of a step that no reader waits for
_PACKER = msgspec.msgpack.Encoder()


class Rebuilt(Struct):
    """What is there to be swapped in: names of keys without what keys of the shadow, or live ones, begin with."""

    organization: str
    shadow: keys.Shadow
    timezone: str
    new_timezone: bool
    since_ms: int
    expiries: Mapping[str, int]  # of each name that was built: when its key goes, in seconds since the epoch
    stored: set[str]
    kinds: Mapping[str, str]  # of all workflows, with or without events
    newest_us: Mapping[str, int]  # of those with events

    def _step(
        self, names: Iterable[str], workflows: Iterable[str] = (), organization: tuple[str, ...] = ()
    ) -> list[object]:
        moved: list[str | int] = []
        gone: list[str] = []
        for name in names:
            expiry = self.expiries.get(name)
            if expiry is None:
                gone.append(name)
            else:
                moved += (name, expiry)
        live = int(self.shadow)
        listed = keys.workflows(live, self.organization)
        records = [
            (
                keys.workflow(live, self.organization, workflow),
                keys.changes(live, self.organization, workflow),
                listed,
                workflow,
                str(self.newest_us.get(workflow, 0)),
            )
            for workflow in workflows
        ]
        return [keys.prefix(self.shadow), keys.prefix(live), gone, moved, records, organization]

    def steps(self) -> Iterator[list[object]]:
        """Goals' names before the workflows that show them, those that are shown no more behind."""
        of_workflows: dict[str, list[str]] = {workflow: [] for workflow in self.kinds}
        visitors: list[str] = []
        goals: list[str] = []
        old_goals: list[str] = []
        for name in self.stored | self.expiries.keys():
            kind, _, rest = name.split(":", 2)
            if kind == "visitor":
                visitors.append(name)
            elif kind == "goal":
                (goals if name in self.expiries else old_goals).append(name)
            else:
                of_workflows.setdefault(rest.partition(":")[0], []).append(name)
        record = keys.organization(int(self.shadow), self.organization)
        organization = (record, "timezone", self.timezone, "since", str(self.since_ms))
        for names in (goals, visitors):
            yield from map(self._step, _pieces(names))
        if self.new_timezone:
            names = [name for buckets in of_workflows.values() for name in buckets]
            yield self._step([*names, *old_goals], of_workflows, organization)
            return
        for workflow, names in of_workflows.items():
            # Buckets of a workflow that has no record, then or now, just go.
            yield self._step(names, [workflow] if workflow in self.kinds else ())
        yield from map(self._step, _pieces(old_goals))
        yield self._step((), (), organization)


def _pieces(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while piece := list(islice(rest, _PIECE)):
        yield piece


async def begin(client: Client, ownership: Ownership, rebuilt: Rebuilt, expiry: int) -> None:
    """Begin to put it in place; `expiry` (seconds since the epoch) is when the shadow's keys go.

    Raises:
        StopError: an organization or a workflow was registered meanwhile; nothing happened.
        LeaseLostError: another owner came; nothing happened.
        StoreUnavailableError: it may have begun or not; who owns the partition next knows.
    """
    partition, run = ownership.partition, rebuilt.shadow.run
    steps = keys.swap(partition, run)
    for step in rebuilt.steps():
        pipeline = client.pipeline(transaction=False)
        pipeline.rpush(steps, _PACKER.encode(step))
        pipeline.expireat(steps, expiry)
        with translated():
            await pipeline.execute()
    failpoints.pass_by("before_swap")
    organization = rebuilt.organization
    records = [
        (keys.workflow(partition, organization, workflow), kind, workflow) for workflow, kind in rebuilt.kinds.items()
    ]
    named = [
        keys.cursor(partition),
        keys.organization(partition, organization),
        keys.workflows(partition, organization),
    ]
    with translated():
        reply: bytes = await _BEGIN(
            client,
            named,
            [
                ownership.fence,
                ownership.entry,
                ownership.records,
                run,
                rebuilt.timezone,
                _PACKER.encode(records),
            ],
        )
    if reply == b"stale":
        raise StopError("an organization or a workflow was registered meanwhile, nothing is changed; run it again")
    if reply != b"ok":
        raise LeaseLostError("another owner took the partition, nothing is changed; run it again")
    failpoints.pass_by("after_swap_begin")


async def finish(client: Client, settings: Settings, ownership: Ownership, run: str) -> None:
    """Do the steps that are left of a swap; whoever takes a partition does it before anything else.

    Raises:
        LeaseLostError: another owner came, who goes on with it.
        StopError: nobody has finished it for a day, and the rest has expired.
    """
    partition = ownership.partition
    named = [keys.cursor(partition), keys.lease(partition), keys.swap(partition, run)]
    arguments: list[str | int] = [ownership.worker, ownership.fence, settings.lease_ms]
    left = 1
    while left:
        with translated():
            reply = await _STEP(client, named, arguments)
        if reply[0] == b"fenced":
            raise LeaseLostError(f"partition {partition} has another owner")
        if reply[0] != b"ok":
            raise StopError(
                f"what rebuild {run} has built is gone in the midst of its swap: "
                f"delete the field `swap` of {keys.cursor(partition)} and rebuild again"
            )
        left = int(reply[1])
        failpoints.pass_by("after_swap_step")
    failpoints.pass_by("after_swap")
