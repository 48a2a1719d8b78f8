"""A cluster for all tests here, and the partition on a master of its own."""

from collections.abc import Iterator

import pytest

from sidedata.schema import keys
from tests.support.redis.cluster import Cluster, slot_of
from tests.support.redis.cluster_life import ORGANIZATIONS


@pytest.fixture(scope="package")
def shared() -> Iterator[Cluster]:
    """The cluster of this folder; nodes may change their roles from test to test."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """The cluster, empty and well."""
    shared.wait_until_well()
    shared.flush()
    yield shared
    for node in shared.nodes:
        if node.runs:
            node.thaw()
        else:
            node.start()


@pytest.fixture
def lone(cluster: Cluster) -> int:
    """A partition on another master than workers' heartbeats, tokens and configuration are on."""
    others = {cluster.master_of(slot_of(key)).port for key in (keys.WORKERS, keys.TOKENS, keys.CONFIG)}
    return next(p for p in ORGANIZATIONS if cluster.master_of(slot_of(keys.keyspace(p).events)).port not in others)
