"""The worker's Prometheus metrics."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The worker's metrics by name; never a visitor, an organization or a workflow in a label."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.events = Counter(
            "sidedata_events", "Events by type and outcome", ["type", "outcome"], registry=self.registry
        )
        self.dead_letters = Counter(
            "sidedata_dead_letters", "Events that became dead letters", ["reason"], registry=self.registry
        )
        self.dead_letters_dropped = Counter(
            "sidedata_dead_letters_dropped",
            "Dead letters dropped by age or number; see SIDEDATA_DEAD_LIMIT",
            registry=self.registry,
        )
        self.throttled = Gauge(
            "sidedata_poisoned",
            "1 while a partition brings many events that can't be applied, and no others, and is read with pauses",
            ["partition"],
            registry=self.registry,
        )
        self.goals_dropped = Counter(
            "sidedata_visitor_goals_dropped",
            "Goals that stopped waiting for late interactions; see SIDEDATA_VISITOR_GOALS",
            registry=self.registry,
        )
        self.commits = Counter("sidedata_commits", "Commits by result", ["result"], registry=self.registry)
        self.commit_seconds = Histogram(
            "sidedata_commit_seconds", "Time from reading a batch to its commit", registry=self.registry
        )
        self.lag_entries = Gauge(
            "sidedata_lag_entries", "Stream entries not yet applied", ["partition"], registry=self.registry
        )
        self.lag_seconds = Gauge(
            "sidedata_lag_seconds",
            "Age of the oldest stream entry not yet applied",
            ["partition"],
            registry=self.registry,
        )
        self.adoptions = Counter(
            "sidedata_zone_adoptions",
            "Organizations that got newer rules of their time zone, by what changed: the table alone, or days were cut again",
            ["change"],
            registry=self.registry,
        )
        self.sketches_compacted = Counter(
            "sidedata_sketches_compacted",
            "Dense sketches of old hours that were stored in the sparse form",
            registry=self.registry,
        )
        self.bytes_compacted = Counter(
            "sidedata_compacted_bytes", "Bytes of sketches that this has saved", registry=self.registry
        )
        self.owned = Gauge("sidedata_partitions_owned", "Partitions that this worker owns", registry=self.registry)
        self.lease_changes = Counter(
            "sidedata_lease_changes", "Partitions acquired, lost and released", ["change"], registry=self.registry
        )
        self._partitions: set[int] = set()  # those that have gauges of their own

    def set_owned(self, partitions: Collection[int]) -> None:
        """Export the number of owned partitions, and remove the gauges of those that were owned before.

        Their next owner exports the same gauges, and sums over workers would count a partition twice.
        """
        for partition in self._partitions.difference(partitions):
            for gauge in (self.throttled, self.lag_entries, self.lag_seconds):
                gauge.remove(str(partition))
        self._partitions = set(partitions)
        self.owned.set(len(partitions))
