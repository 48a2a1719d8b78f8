"""The lock files, read: what pip installs, from which archives, and for which package."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

# What `make setup` installs, and what single targets add to it.
LOCKS: dict[str, Path] = {
    "setup": ROOT / "requirements.lock",
    "bench": ROOT / "bench/requirements.lock",
    "fuzz": ROOT / "tests/fuzz/requirements.lock",
    "audit": ROOT / "tests/supply/requirements.lock",
    "linters": ROOT / "tests/linters/requirements.lock",
    "clients": ROOT / "tests/clients/requirements.lock",
}

_ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\\n(?P<rest>(?:[ ].*\n?)*)", re.MULTILINE
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^ +# +(?:via )?([a-z0-9][\w.-]*)", re.MULTILINE)


class Locked(NamedTuple):
    """One locked package; `marker` says where it is installed ("" for everywhere), `via` which packages ask for it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]


def read(lock: str) -> list[Locked]:
    """The packages of one lock file, in its order."""
    return [
        Locked(
            entry["name"],
            entry["version"],
            entry["marker"] or "",
            tuple(_HASH.findall(entry["rest"])),
            tuple(
                sorted({via for via in _VIA.findall(entry["rest"]) if via not in ("via", "sidedata", "requirements")})
            ),
        )
        for entry in _ENTRY.finditer(LOCKS[lock].read_text(encoding="utf-8"))
    ]
