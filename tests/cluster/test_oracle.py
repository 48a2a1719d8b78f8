"""Random worlds on a real Redis Cluster: the answers are the oracle's."""

import pytest

from tests.support.oracle.replay import run
from tests.support.redis.cluster import Cluster


def test_the_pipeline_equals_the_oracle(cluster: Cluster) -> None:
    """Six random worlds."""
    run(cluster, 6)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_pipeline_equals_the_oracle_for_long(cluster: Cluster) -> None:
    """500 random worlds."""
    run(cluster, 500)


def test_nothing_is_left_of_earlier_tests(cluster: Cluster) -> None:
    """An empty cluster has empty replicas: one that lags would take over with events whose ids the next test uses again."""
    master = cluster.master_of(0)
    replica = cluster.replica_of(master)
    replica.freeze()
    with pytest.raises(AssertionError):
        cluster.flush(seconds=0.2)
    replica.thaw()
    cluster.flush()
    assert [node.admin.dbsize() for node in cluster.nodes] == [0] * len(cluster.nodes)
