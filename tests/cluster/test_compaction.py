"""The compaction of old hours in a cluster."""

from tests.support.compactions import answers, apply, busy_hour, hour, run_pass
from tests.support.constants import ORG
from tests.support.pipeline import pipeline
from tests.support.redis.cluster import Cluster


async def test_a_pass_in_a_cluster(cluster: Cluster) -> None:
    """Sketches of the partition's slot shrink, and every answer stays."""
    async with pipeline(cluster.url, partitions=8) as pipe:
        now = await pipe.now()
        await apply(pipe, busy_hour(hour(now, 3)))
        before = await answers(pipe, now)
        pattern = f"sd:{{{pipe.partition(ORG)}}}:hour:*s"
        names = [key async for key in pipe.client.scan_iter(match=pattern) if not key.endswith(b":counts")]
        sizes = [await pipe.client.strlen(key) for key in names]
        await run_pass(pipe)
        smaller = [await pipe.client.strlen(key) for key in names]
        assert sizes.count(12_304) == 5
        assert all(
            after < 0.5 * size if size == 12_304 else after == size for size, after in zip(sizes, smaller, strict=True)
        )
        assert max(smaller) < 12_304
        assert await answers(pipe, now) == before
