"""The application of all entries that wait in the streams, without a worker."""

from sidedata.ingest.apply.partition import live_partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.reads.zones.organizations import organizations_of
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.settings import Settings


async def drain(
    gateway: Gateway, installation: Installation, settings: Settings, rulebook: Rulebook | None = None
) -> None:
    """Apply all entries that are in the streams now, then release the partitions; for tests and imports without a worker."""
    metrics, rulebook = Metrics(), rulebook or Rulebook(settings)
    by_partition: dict[int, list[str]] = {}
    async for number, organizations in organizations_of(gateway, range(installation.partitions)):
        by_partition.setdefault(number, []).extend(organizations)
    for number in range(installation.partitions):
        new_lease = await lease.acquire(gateway, settings, number, "drain", force=True)
        assert new_lease is not None  # noqa: S101 - force always takes
        partition = live_partition(gateway, settings, installation.partitions, new_lease, metrics, rulebook)
        await partition.compare_zones(by_partition.get(number, []))
        while await partition.run_once(None) is not None:
            pass
        await lease.release(gateway, partition.ownership)
