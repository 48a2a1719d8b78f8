"""Builds of sidedata: this checkout, and another one beside it with a virtual environment of its own."""

import subprocess
from pathlib import Path

from msgspec import Struct

from bench.servers import BenchWorld

_HERE = Path(__file__).parent.parent.parent


class Build(Struct, frozen=True):
    """A checkout whose command is measured. Server, feeder and load generator come from this checkout for both."""

    name: str
    path: Path
    server_arguments: tuple[str, ...] = ()

    def world(self, partitions: int, server: str | None) -> BenchWorld:
        """A server of its own, and the build's commands."""
        command = str(self.path / ".venv" / "bin" / "sidedata")
        return BenchWorld(partitions, command=(command,), server=server, arguments=self.server_arguments)

    def commit(self) -> str:
        """The commit that is checked out, with `-dirty` for changes beyond it."""
        asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        found = subprocess.run(asked, cwd=self.path, capture_output=True, text=True, check=False)
        return found.stdout.strip() or "of no commit"


def builds(base: Path) -> tuple[Build, Build]:
    """The base and this checkout.

    Raises:
        FileNotFoundError: one of them was not set up (`make setup`).
    """
    pair = Build("base", base.resolve()), Build("here", _HERE)
    for build in pair:
        if not (build.path / ".venv" / "bin" / "sidedata").exists():
            raise FileNotFoundError(f"{build.path} has no .venv/bin/sidedata: run `make setup` there")
    return pair
