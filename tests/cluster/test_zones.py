"""Newer rules of a zone in a cluster: the scan for organizations and the swap of days work there too."""

from tests.support.pipeline import pipeline
from tests.support.redis.cluster import Cluster
from tests.support.zones.files import HOUR
from tests.support.zones.worlds import NAME, NEW, OLD, Case, ZoneWorld, life


async def test_an_adoption_in_a_cluster(cluster: Cluster) -> None:
    """Days are cut again, and all partitions, on whichever master, are compared."""
    async with pipeline(cluster.url, partitions=8) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 12, -7 * HOUR, -8 * HOUR, -7 * HOUR)
        world = ZoneWorld(pipe, now)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await world.send(life(now, days=33, each=6))
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        assert (await world.rules()).release == NEW
        await world.check(case.new)
