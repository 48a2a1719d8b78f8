"""The maintenance of an owned partition: its lag becomes metrics, and dead letters past their age are dropped."""

import logging

from sidedata.ingest.metrics import Metrics
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace
from sidedata.settings import Settings
from sidedata.writes.lease import maintain

_log = logging.getLogger("sidedata.worker")


async def maintain_partition(gateway: Gateway, settings: Settings, keyspace: Keyspace, metrics: Metrics) -> None:
    """Maintain a partition; dead letters dropped by age are counted and logged, like those dropped by number.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    result = await maintain(gateway, keyspace, settings.keep_dead_days * 86_400_000)
    partition = str(keyspace.partition)
    metrics.lag_entries.labels(partition).set(result.lag_entries)
    metrics.lag_seconds.labels(partition).set(result.lag_ms / 1000)
    if result.dead_letters_dropped:
        metrics.dead_letters_dropped.inc(result.dead_letters_dropped)
        _log.warning(
            "partition %s: dropped %d dead letters that were over %d days old",
            partition,
            result.dead_letters_dropped,
            settings.keep_dead_days,
        )
