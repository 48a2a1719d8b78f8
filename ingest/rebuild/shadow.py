"""The shadow of an organization: its counters built from an archive, beside the live ones.

    archive ─▶ Partition, with a shadow's keyspace ─▶ sd:{p}:rebuild:<run>:*

A shadow is built by the code that applies live events (`ingest/apply/partition.py`), from other entries to other keys. Each run
has keys of its own, and all of them expire two days after it began, so that the keys of a killed run are no waste for long.
"""

from collections.abc import Mapping
from typing import Final

from sidedata.ingest.apply.model import Outcome
from sidedata.ingest.apply.owner_cache import OwnerCache
from sidedata.ingest.apply.partition import Partition
from sidedata.ingest.apply.reader import EntrySource, LargeBatches, Reader
from sidedata.ingest.dedup.deduplicator import Deduplicator
from sidedata.ingest.dedup.id_filters import FilterMemory
from sidedata.ingest.metrics import Metrics
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import IdPositions
from sidedata.settings import Settings
from sidedata.writes import rebuild
from sidedata.writes.commit import Ownership

TTL_SECONDS: Final = 2 * 86_400


def shadow_partition(
    gateway: Gateway,
    settings: Settings,
    keyspace: Keyspace,
    partitions: int,
    source: EntrySource,
    expiry: int,
    ids: dict[int, IdPositions] | None,
) -> Partition:
    """Build a partition that applies a source to the keys of a shadow.

    Args:
        expiry: of the shadow's keys, in seconds since the epoch.
        ids: positions of the ids in each generation of the live partition, if the ids of the archive may be added there: with a
            new epoch they mean nothing until the organization's record names it. None adds them to the shadow's keys.
    """
    owner_cache = OwnerCache(gateway, settings, keyspace)
    memory = FilterMemory(settings)
    if ids is None:
        deduplicator = Deduplicator(keyspace, settings.keep_ids_hours, {}, memory)
    else:
        deduplicator = Deduplicator(keyspace.live, settings.keep_ids_hours, ids, memory)
    return Partition(
        gateway,
        settings,
        # The fence is a formality: no other process knows the run.
        Ownership(keyspace, keyspace.run, rebuild.SHADOW_FENCE, shadow_expiry=expiry),
        reader=Reader(source, owner_cache, keyspace.partition, partitions, settings.batch_events, LargeBatches()),
        owner_cache=owner_cache,
        deduplicator=deduplicator,
        throttle=None,  # bad events of an archive are a finding, not a flood
        metrics=Metrics(),
    )


async def build(
    gateway: Gateway, partition: Partition, organization: str, record: Mapping[str, str], kinds: Mapping[str, str]
) -> Outcome:
    """Apply the whole source to a new shadow; returns the sums of all batches.

    Args:
        record: fields of the organization's record.
        kinds: the kinds of its workflows so far.

    Raises:
        ArchiveError: the archive can't be read on.
        StoreUnavailableError: Redis is out of reach.
    """
    keyspace, expiry = partition.ownership.keyspace, partition.ownership.shadow_expiry
    await rebuild.prepare_shadow(gateway, keyspace, organization, record, kinds, expiry)
    sums = Outcome()
    try:
        while (outcome := await partition.run_once(None)) is not None:
            sums.entries += outcome.entries
            sums.duplicates += outcome.duplicates
            sums.goals_dropped += outcome.goals_dropped
            for total, counts in ((sums.events, outcome.events), (sums.dead_letters, outcome.dead_letters)):
                for name, number in counts.items():
                    total[name] = total.get(name, 0) + number
            await rebuild.delete_dead_letters(gateway, keyspace)  # they are counted above
    finally:
        await partition.reader.close()
    return sums
