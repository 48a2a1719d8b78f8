"""The metrics of every process, and the way Prometheus reads them.

A registry is made at the entry point and passed down, so that two services in one test don't share numbers. Names
begin with `sidedata_` and end in their base unit (`_seconds`, `_bytes`) or in `_total` for counters.
"""

import os

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

# The upper buckets show answers that miss the contract's second; the lower ones separate cached answers from computed ones.
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def new_registry() -> CollectorRegistry:
    """Create a registry with the process's own metrics: memory, descriptors, processor time, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    """Format all metrics in the form that `accept` requests; returns the text and its content type.

    Where several processes share a port, each of them answers for all, except for the process's own metrics.
    """
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
