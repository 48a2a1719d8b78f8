"""The commands of a swap: write its steps, begin it, and run one step at a time, each atomically."""

from collections.abc import Sequence
from typing import Final, Literal, cast

import msgspec
from msgspec import Struct

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Word, array, integer, text
from sidedata.redis.scripts import script
from sidedata.schema.keys import Keyspace
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership

_BEGIN: Final = script("begin_swap")
_STEP: Final = script("swap_step", undeclared_keys=True)
_PACKER: Final = msgspec.msgpack.Encoder()

# What came of an owner's change: it is done, or nothing is, because another owner came or because a record was changed meanwhile.
ChangeStatus = Literal["ok", "fenced", "stale"]


class WorkflowSwap(Struct, array_like=True, frozen=True):
    """A workflow in a step: the keys of its record, of its log and of the list that names it, its id, its newest event (µs)."""

    record: str
    log: str
    workflows: str
    id: str
    newest_us: str

    @classmethod
    def of(cls, live: Keyspace, organization: str, workflow: str, newest_us: int) -> "WorkflowSwap":
        """Name a workflow's live keys; `newest_us` is 0 for one without events."""
        return cls(
            live.workflow(organization, workflow),
            live.changes(organization, workflow),
            live.workflows(organization),
            workflow,
            str(newest_us),
        )


class SwapStep(Struct, array_like=True, frozen=True):
    """A step: names without the prefix of the shadow's or of live keys; see `scripts/swap/swap_step.lua`."""

    shadow_prefix: str
    live_prefix: str
    deletions: Sequence[str]
    moves: Sequence[str | int]  # names, each followed by its expiry in seconds since the epoch
    workflows: Sequence[WorkflowSwap]
    organization: Sequence[str]  # its record's key, fields and values, "" for a field that goes; empty where it stays
    leftovers: Sequence[str] = ()  # names of live keys that stay for a time
    latest: int = 0  # the latest expiry of these, in seconds since the epoch


async def add_step(gateway: Gateway, shadow: Keyspace, step: SwapStep, expiry: int) -> None:
    """Append a step to the list of a run that has not begun; the list expires at `expiry`, in seconds since the epoch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    steps = shadow.live.swap(shadow.run)
    await gateway.batch([("RPUSH", steps, _PACKER.encode(step)), ("EXPIREAT", steps, expiry)])


async def begin(
    gateway: Gateway, ownership: Ownership, run: str, organization: str, timezone: str, kinds: Sequence[tuple[str, str]]
) -> ChangeStatus:
    """Begin the swap of a run; `kinds` are the organization's workflows with their kinds.

    Returns "fenced" if another owner came, "stale" if a record was changed meanwhile; nothing happened then.

    Raises:
        StoreUnavailableError: the swap may have begun or not; the partition's next owner knows.
    """
    keyspace = ownership.keyspace
    records = [(keyspace.workflow(organization, workflow), kind, workflow) for workflow, kind in kinds]
    reply = await gateway.call(
        _BEGIN,
        [keyspace.cursor, keyspace.organization(organization), keyspace.workflows(organization)],
        [ownership.fence, ownership.entry, ownership.records, run, timezone, _PACKER.encode(records)],
    )
    return cast("ChangeStatus", text(reply))


async def run_step(
    gateway: Gateway, settings: Settings, ownership: Ownership, run: str
) -> int | Literal["fenced", "missing"]:
    """Run the next step; returns the number of remaining ones.

    Returns "fenced" if another owner came, "missing" if the shadow has expired; nothing happened then.

    Raises:
        StoreUnavailableError: the step may have run or not.
    """
    keyspace = ownership.keyspace
    names = [keyspace.cursor, keyspace.lease, keyspace.swap(run)]
    arguments: list[Word] = [ownership.worker, ownership.fence, settings.lease_ms]
    reply = array(await gateway.call(_STEP, names, arguments))
    status = text(reply[0])
    return integer(reply[1]) if status == "ok" else cast("Literal['fenced', 'missing']", status)
