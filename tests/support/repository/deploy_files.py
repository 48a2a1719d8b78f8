"""The files of deploy/, read, and the tools that judge them where there are any."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec.yaml
import pytest

from tests.support.paths import DEPLOY

RUNBOOK = DEPLOY / "RUNBOOK.md"
YAML = sorted(DEPLOY.rglob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def documents(path: Path) -> list[Any]:
    """The documents of a YAML file."""
    return [
        msgspec.yaml.decode(text) for text in re.split(r"^---$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]


def tool(name: str) -> str:
    """Where a program is; skips the test if it is nowhere."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def passes(*command: str | Path) -> str:
    """Run a program that must be content; what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
