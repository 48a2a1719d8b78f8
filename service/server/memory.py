"""Memory that a service takes from the system before anybody asks.

The first report over many sketches fills thousands of pages that the process has never used, and the system hands out each with a
fault of its own, 2 to 5 µs: a fifth of the time of that report. So a process that will keep sketches uses some of that memory once
when it starts. Its allocator keeps what was freed, and gives it out again without a fault.

This rests on how the C library of most Linux systems (glibc) allocates; elsewhere it is 20 ms of work for nothing.
"""

from typing import Final

# What a first report over 30 days of a workflow with 16 goals fills, and a little more.
_MOST_BYTES: Final = 16 << 20
_BLOCK_BYTES: Final = 12_000  # as large as a dense sketch; blocks from 128 KiB on are not of the same memory
# A block as large as this comes from the system by itself. Who frees one shows glibc to keep such amounts: up to twice as much
# unused memory then stays with the process.
_KEPT_BYTES: Final = 30 << 20


def take_memory(cache_bytes: int) -> None:
    """Take memory for reports, no more than their cache may have."""
    bytearray(_KEPT_BYTES)
    blocks = min(cache_bytes, _MOST_BYTES) // _BLOCK_BYTES
    _ = [b"\1" * _BLOCK_BYTES for _ in range(blocks)]
