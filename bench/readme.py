"""`bench/README.md`: tables between markers, and what made them."""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.figures import Table
from sidedata.embedded.server_binary import find_servers

_README = Path(__file__).parent / "README.md"
_PACKAGES = ("redis", "hiredis", "aiohttp", "uvloop", "msgspec", "numpy", "duckdb", "chdb")


def versions() -> str:
    """Of everything that takes part, and the machine."""
    server = subprocess.run([find_servers()[0].path, "--version"], capture_output=True, text=True, check=True).stdout
    redis = next(word for word in server.split() if word.startswith("v="))[2:]
    parts = [f"sidedata {_commit()}", f"Redis {redis}", f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return f"{', '.join(parts)}; {os.cpu_count()} cores ({_processor()}); {time.strftime('%Y-%m-%d')}."


def _commit() -> str:
    """Which state of the repository was measured."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=_README.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "of no commit"
    return said.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def write(table: Table, made: str) -> None:
    """Replace what stands between the table's markers.

    Raises:
        ValueError: the markers are not there.
    """
    text = _README.read_text(encoding="utf-8")
    begin, end = f"<!-- {table.name} -->\n", f"<!-- end of {table.name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{_README} has no markers of {table.name}")
    _README.write_text(f"{before}{begin}{made}\n\n{table.text()}\n{end}{after}", encoding="utf-8")
