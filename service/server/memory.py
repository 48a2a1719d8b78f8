"""Memory of a service process: prefaulted at its start, and rarely searched for cycles.

The first report over many sketches fills thousands of pages that the process has never used. Each costs a page fault of 2 to 5 µs:
a fifth of the time of that report. So a process with a cache of sketches writes to some of that memory once when it starts. Its
allocator keeps freed memory and hands it out again without a fault.

This relies on the allocator of glibc, the C library of most Linux systems; elsewhere it is 20 ms of work without effect.
"""

import gc
from typing import Final

# The memory of a first report over 30 days of a workflow with 16 goals, and a little more.
_MOST_BYTES: Final = 16 << 20
_BLOCK_BYTES: Final = 12_000  # as large as a dense sketch; from 128 KiB on, glibc allocates blocks elsewhere
# A block of this size is mapped by itself. Freeing it raises glibc's threshold: up to twice as much unused memory then stays with
# the process.
_THRESHOLD_BYTES: Final = 30 << 20
# The objects of reports are freed by their reference counts. A first overview of a hundred workflows makes some 60,000 that stay.
# Searching them for cycles, as often as Python's default would, takes a seventh of its time and finds none.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000


def prefault(cache_bytes: int) -> None:
    """Prefault memory for reports, at most as much as their cache may use."""
    bytearray(_THRESHOLD_BYTES)
    blocks = min(cache_bytes, _MOST_BYTES) // _BLOCK_BYTES
    _ = [b"\1" * _BLOCK_BYTES for _ in range(blocks)]


def collect_rarely() -> None:
    """Search for cycles among new objects after many of them, and never among the objects that exist now."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
