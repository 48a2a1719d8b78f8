"""The caches of all workflows in a process, within a bound of memory."""

from collections import OrderedDict

from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.service.report.workflow_cache import WorkflowCache

_EMPTY_BYTES = 1000  # of a cache without data
# The part of all memory that the merged runs of one workflow may take: half, because a workflow with 16 goals has 180 runs of half
# a MiB that reports about the last 30 days share, and in less memory they would evict each other.
_MERGED_SHARE = 2


class WorkflowCaches:
    """The workflow caches of a process; the least recently used are evicted first."""

    def __init__(self, gateway: Gateway, installation: Installation, most_bytes: int) -> None:
        self._gateway = gateway
        self._installation = installation
        self._most_bytes = most_bytes
        self._caches: OrderedDict[tuple[str, str], WorkflowCache] = OrderedDict()  # least recently used first
        self._sizes: dict[tuple[str, str], int] = {}  # bytes of each cache when it was last measured
        self._bytes = 0  # sum of the sizes

    def get(self, organization_id: str, workflow_id: str) -> WorkflowCache:
        """The cache of a workflow, empty at first."""
        key = (organization_id, workflow_id)
        cache = self._caches.get(key)
        if cache is None:
            most_merged = self._most_bytes // _MERGED_SHARE
            cache = self._caches[key] = WorkflowCache(self._gateway, self._installation, *key, most_merged)
            self._measure(cache)
        self._caches.move_to_end(key)
        return cache

    def trim(self, cache: WorkflowCache) -> int:
        """Evict the least recently used caches until the rest fits; a cache that is too large by itself is cleared.

        Returns the approximate number of bytes in use.
        """
        self._measure(cache)
        while self._bytes > self._most_bytes and self._caches:
            key, oldest = self._caches.popitem(last=False)
            self._bytes -= self._sizes.pop(key)
            oldest.clear()
        return self._bytes

    def _measure(self, cache: WorkflowCache) -> None:
        """Update a cache's size. Empty caches count too: requests for workflows that don't exist must not fill the memory."""
        key = (cache.organization_id, cache.workflow_id)
        if self._caches.get(key) is cache:  # else it was evicted while it was being refreshed
            size = cache.size + _EMPTY_BYTES
            self._bytes += size - self._sizes.get(key, 0)
            self._sizes[key] = size
