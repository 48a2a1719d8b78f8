"""What an owner does for a partition beside applying it: measure how far it lags, let old dead letters go."""

import logging

from sidedata.ingest.metrics import Metrics
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.settings import Settings

_UPKEEP = script("upkeep")
_log = logging.getLogger("sidedata.worker")


async def upkeep(client: Client, settings: Settings, partition: int, metrics: Metrics) -> None:
    """Look after an owned partition; dropping dead letters by age is counted and said, like dropping them by number."""
    keep_ms = settings.keep_dead_days * 86_400_000
    with translated():
        entries, age_ms, dropped = await _UPKEEP(client, [keys.events(partition), keys.dead(partition)], [keep_ms])
    metrics.lag_entries.labels(str(partition)).set(entries)
    metrics.lag_seconds.labels(str(partition)).set(age_ms / 1000)
    if dropped:
        metrics.letters_dropped.inc(dropped)
        _log.warning(
            "partition %d: %d dead letters are over %d days old and gone", partition, dropped, settings.keep_dead_days
        )
