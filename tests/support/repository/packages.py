"""Distributions built from this checkout, and clean environments to install them in."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import ROOT

_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "sidedata", "service", "ingest")
_BUILD_SDIST = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
SECONDS = 300


def copy_sources(target: Path) -> None:
    """Copy what the distributions are made of, the links inside of the package as links."""
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)


def build_sdist(source: Path, target: Path) -> Path:
    """Build a source distribution with the locked setuptools."""
    target.mkdir(parents=True, exist_ok=True)
    done = run([sys.executable, "-c", _BUILD_SDIST, str(target)], directory=source)
    return target / done.stdout.split()[-1]


def build_wheel(source: str | Path, target: Path) -> Path:
    """Build a wheel of a folder, a source distribution or a package of PyPI with the locked setuptools."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source))
    (wheel,) = target.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment without pip; `install` uses the versions of the lock file."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory, with_pip=False)
        self.bin = directory / "bin"
        self.python = self.bin / "python"
        self._constraints = directory / "constraints.txt"
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        self._constraints.write_text("\n".join(re.findall(r"^[a-z].*?(?= \\$)", lock, re.MULTILINE)), encoding="utf-8")

    def install(self, *requirements: str) -> None:
        """Install distributions with what they depend on."""
        options = ("--no-compile", "--no-build-isolation", "--constraint", str(self._constraints))
        _pip("--python", str(self.python), "install", *options, *requirements)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a shell in which the environment is activated, and in which no Redis is on PATH."""
        kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG") if name in os.environ}
        return {**kept, "PATH": str(self.bin)}


def run(
    command: Sequence[str | Path],
    *,
    directory: Path | None = None,
    variables: dict[str, str] | None = None,
    status: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends with this status."""
    done = subprocess.run(
        command, cwd=directory, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done


def _pip(*arguments: str) -> None:
    # Without PYTHONPATH: packages there would count as installed in any environment.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], variables=variables)
