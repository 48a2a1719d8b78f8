"""The overview of an installation: backlog, dead letters and owners of all partitions, and the live workers."""

from msgspec import Struct

from sidedata.reads.partitions import PartitionState, live_workers, read_partitions
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.settings import Settings


class Overview(Struct, frozen=True):
    """The sums over all partitions (of `lag_seconds` the maximum), and the number of live workers."""

    lag_entries: int
    dead_letters: int
    partitions: int
    workers: int
    events_applied: int
    states: list[PartitionState]
    lag_seconds: float = 0.0


async def read_overview(gateway: Gateway, installation: Installation, settings: Settings) -> Overview:
    """Read all partitions; a snapshot of each, not of all at one instant.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    states = await read_partitions(gateway, installation.partitions)
    return Overview(
        lag_entries=sum(state.lag_entries for state in states),
        dead_letters=sum(state.dead_letters for state in states),
        partitions=installation.partitions,
        workers=len(await live_workers(gateway, settings.lease_ms)),
        events_applied=sum(state.events_applied for state in states),
        states=states,
        lag_seconds=max((state.lag_seconds for state in states), default=0.0),
    )


def is_idle(state: PartitionState, overview: Overview) -> bool:
    """Tell if a partition is of no interest: nothing waits or is dead, nothing was ever applied, and it has an owner.

    Where no worker lives no partition has an owner; that is a fact of the installation and not of a partition.
    """
    owned = bool(state.owner) or not overview.workers
    return owned and not (state.lag_entries or state.dead_letters or state.events_applied)
