"""TLS to a real Redis Cluster whose nodes take nothing else, from clients and from one another."""

import time
from collections.abc import Iterator

import pytest

from sidedata.errors import StoreUnavailableError, UsageError
from sidedata.redis.redis_errors import translated
from sidedata.schema import keys
from sidedata.schema.keys import keyspace
from sidedata.writes.append import append
from tests.support.oracle.replay import run
from tests.support.redis.certificates import Certificates, lacks_tls
from tests.support.redis.client import connect
from tests.support.redis.cluster import Cluster, slot_of
from tests.support.waiting import TIME_FACTOR, eventually


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of this module."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def cluster(certificates: Certificates) -> Iterator[Cluster]:
    """The cluster of this module."""
    made = Cluster(certificates=certificates)
    try:
        try:
            made.start()
        except RuntimeError as error:
            if not lacks_tls(str(error)):
                raise
            pytest.skip("this redis-server was built without TLS")
        yield made
    finally:
        made.close()


def test_the_pipeline_equals_the_oracle(cluster: Cluster) -> None:
    """Six random worlds: producers, worker and service, over TLS all the way."""
    assert cluster.url.startswith("rediss+cluster://")
    run(cluster, 6)


async def test_redirections_are_followed(cluster: Cluster) -> None:
    """ASK and MOVED name a node by its address; the certificates go along, and WAIT works there, too."""
    stream = keys.keyspace(3).events
    slot = slot_of(stream)
    client = connect(cluster.url, timeout=5)
    try:
        await append(client, keyspace(3), [b"{}"], 1000)
        target = next(node for node in map(cluster.master_of, (0, 16383)) if node is not cluster.master_of(slot))
        source = cluster.begin_move(slot, target)
        await append(client, keyspace(3), [b"{}"], 1000, wait_replicas=1)
        while cluster.move_keys(slot, source, target):
            pass
        cluster.end_move(slot, target)
        await append(client, keyspace(3), [b"{}"], 1000, wait_replicas=1)
        assert await client.xlen(stream) == 3
    finally:
        await client.aclose()


async def test_a_replica_that_takes_over_is_found(cluster: Cluster) -> None:
    """When a master has died the map of slots is read from another node, over TLS again."""
    stream = keys.keyspace(5).events
    client = connect(cluster.url, timeout=2)
    master = cluster.master_of(slot_of(stream))
    try:
        await append(client, keyspace(5), [b"{}"], 1000, wait_replicas=1)
        master.kill()

        async def there() -> bool:
            try:
                with translated():
                    return bool(await client.xlen(stream) == 1)
            except StoreUnavailableError:
                return False

        await eventually(there)
    finally:
        await client.aclose()
        master.start()
        cluster.wait_until_well()


@pytest.mark.alone
@pytest.mark.parametrize(("known", "trusting"), [(False, True), (True, False)])
async def test_strangers_are_refused(
    cluster: Cluster, certificates: Certificates, *, known: bool, trusting: bool
) -> None:
    """Without a certificate, or for nodes of an unknown authority, nothing is said in either direction; in one line."""
    address = f"rediss+cluster://127.0.0.1:{cluster.nodes[0].port}"
    client = connect(f"{address}?{certificates.for_client(known=known, trusting=trusting)}", timeout=2)
    try:
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError) as refusal, translated():
            await client.get(keys.CONFIG)
        assert time.monotonic() - start < 2 * TIME_FACTOR
        assert len(str(refusal.value).splitlines()) == 1
    finally:
        await client.aclose()


async def test_a_client_without_tls_is_refused(cluster: Cluster) -> None:
    """The nodes have no other port."""
    client = connect(f"redis+cluster://127.0.0.1:{cluster.nodes[0].port}", timeout=2)
    try:
        with pytest.raises(StoreUnavailableError), translated():
            await client.get(keys.CONFIG)
    finally:
        await client.aclose()


@pytest.mark.parametrize("query", ["ssl_ca_cert=/typo", "ssl_cert_reqs=maybe"])
def test_an_address_that_makes_no_sense_is_refused_at_once(query: str) -> None:
    """A parameter that the client doesn't know, or a value that it doesn't, ends in one line without the password."""
    with pytest.raises(UsageError) as refusal:
        connect(f"rediss+cluster://:geheim@127.0.0.1:1?{query}", timeout=1)
    assert "geheim" not in str(refusal.value)
