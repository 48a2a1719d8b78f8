"""Memory that a service has before anybody asks, counted by the faults that new pages cost."""

import platform
import subprocess
import sys

from tests.support.paths import ROOT

# 1,000 blocks as large as dense sketches: 2,930 pages of 4 KiB.
_CODE = """
import resource
from sidedata.service.server.memory import prefault

prefault({})
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
blocks = [b"2" * 12_000 for _ in range(1_000)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(cache_bytes: int) -> int:
    """Faults of a process that takes memory and then fills as much as a first report."""
    command = [sys.executable, "-c", _CODE.format(cache_bytes)]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout)


def test_a_first_report_fills_memory_that_was_taken() -> None:
    """Where the C library keeps what was freed, few pages are new; a process whose cache may hold nothing takes nothing."""
    assert faults(1 << 28) < faults(0) / 4 or platform.libc_ver()[0] != "glibc"
