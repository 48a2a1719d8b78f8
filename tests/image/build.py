"""The instructions of a Dockerfile, read and executed."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.support.paths import ROOT


class Instruction(NamedTuple):
    """A line of a Dockerfile, its continuations joined."""

    name: str
    text: str


class Place(Protocol):
    """The folder in which an image is built."""

    def path(self, inside: str) -> Path:
        """The file outside that has this absolute name inside."""

    def run(self, command: str, directory: str) -> None:
        """A shell command inside."""


class Folder:
    """A folder that stands for the root: absolute names that the Dockerfile makes are turned into names below it.

    What the Dockerfile takes from Debian, a compiler, is the machine's own: nothing is installed.
    """

    def __init__(self, root: Path, python: str, made: Sequence[str]) -> None:
        self._root = root
        self._made = re.compile(
            rf"(?<![\w/.])/(?=(?:{'|'.join(re.escape(name.strip('/')) for name in made)})(?![\w-]))"
        )
        self._programs = root / "usr/local/bin"
        self._programs.mkdir(parents=True)
        for name, program in (("python", python), ("apt-get", "true")):
            (self._programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(program)} "$@"\n', encoding="utf-8")
            (self._programs / name).chmod(0o755)

    def path(self, inside: str) -> Path:
        """Below the folder."""
        return self._root / inside.lstrip("/")

    def run(self, command: str, directory: str) -> None:
        """With the folder's `python` and `apt-get` first on PATH."""
        said = self._made.sub(f"{self._root}/", command)
        shell = f'PATH="{self._programs}:$PATH"; {said}'
        subprocess.run(["sh", "-euc", shell], cwd=self.path(directory), check=True, timeout=600)


class Chroot:
    """A root file system of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, inside: str) -> Path:
        """Below the root."""
        return self._root / inside.lstrip("/")

    def run(self, command: str, directory: str) -> None:
        """Word for word."""
        inside = f"cd {shlex.quote(directory)} && {command}"
        subprocess.run(["chroot", str(self._root), "sh", "-euc", inside], check=True, timeout=600)


def stages(text: str) -> list[list[Instruction]]:
    """The instructions of each stage, the FROM of it first."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(name, rest.strip()))
    return found


def build(stage: Sequence[Instruction], place: Place, earlier: Place | None = None) -> None:
    """Do what changes files: WORKDIR, COPY and RUN; `earlier` is where the stage of `COPY --from` was built."""
    directory = "/"
    for name, text in stage:
        if name == "WORKDIR":
            directory = text
            place.path(directory).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            words = shlex.split(text)
            if words[0].startswith("--from="):
                assert earlier is not None
                shutil.copytree(earlier.path(words[1]), place.path(words[2]), symlinks=True)
            else:
                _copy(words[:-1], place.path(_absolute(words[-1], directory)))
        elif name == "RUN":
            place.run(text, directory)


def made(stage: Sequence[Instruction]) -> list[str]:
    """The absolute folders that a stage makes: its WORKDIR and what its commands name outside of it."""
    named = {text for name, text in stage if name == "WORKDIR"}
    for name, text in stage:
        if name == "RUN":
            named |= {re.sub(r"/bin/\w+$|/lib$", "", word) for word in shlex.split(text) if word.startswith("/")}
    return sorted(named)


def settings(stage: Sequence[Instruction]) -> Mapping[str, str]:
    """The variables that ENV sets."""
    pairs = (pair.partition("=") for name, text in stage if name == "ENV" for pair in shlex.split(text))
    return {name: value for name, _, value in pairs}


def words(stage: Sequence[Instruction], name: str) -> list[str]:
    """The JSON list of an ENTRYPOINT, CMD or HEALTHCHECK."""
    [text] = [one.text for one in stage if one.name == name]
    read: list[str] = json.loads(text[text.index("[") :])
    return read


def _absolute(name: str, directory: str) -> str:
    return name if name.startswith("/") else f"{directory}/{name}"


def _sources(patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from ROOT.glob(pattern)


def _copy(patterns: Sequence[str], target: Path) -> None:
    """As `COPY` does: files into a directory, what is in a directory into one."""
    for source in _sources(patterns):
        if source.is_dir():
            # As Dockerfile.dockerignore has it.
            shutil.copytree(
                source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.so"), dirs_exist_ok=True
            )
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
