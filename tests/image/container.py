"""A container of compose.yaml as far as Linux alone makes one: namespaces, a read-only root, a user without any capability."""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.paths import DEPLOY


def substituted(value: str, variables: Mapping[str, str]) -> str:
    """With compose's `${NAME}`, `${NAME:-default}` and `${NAME:?complaint}` filled in."""

    def fill(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if not variables.get(name) and kind == ":-":
            return str(rest)
        return variables[name]

    return re.sub(r"\$\{([A-Z_]+)(?:(:[-?])([^}]*))?\}", fill, value).replace("$$", "$")


class Image(NamedTuple):
    """The configuration of an image."""

    entry: list[str]
    user: str
    directory: str
    environment: Mapping[str, str]


NOTHING = Image([], "0:0", "/", {})


class Container:
    """One service of compose.yaml on a root file system; the network is the caller's."""

    def __init__(
        self, name: str, service: Mapping[str, Any], root: Path, variables: Mapping[str, str], image: Image
    ) -> None:
        self.name = name
        self._service = service
        self._root = root
        self._user = str(service.get("user", image.user))
        self._entry = image.entry
        self._directory = service.get("working_dir", image.directory)
        given = {key: substituted(str(value), variables) for key, value in service.get("environment", {}).items()}
        self._environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **image.environment, **given}
        self._command = [substituted(word, variables) for word in service["command"]]

    def _mounts(self) -> list[str]:
        root = shlex.quote(str(self._root))
        lines = [f"mount --bind {root} {root}"]
        late = []
        for volume in self._service.get("volumes", []):
            source, target, *options = volume.split(":")
            outside = DEPLOY / source if source.startswith(".") else self._root.parent / f"volume-{source}"
            outside.mkdir(exist_ok=True) if not source.startswith(".") else None
            _place(self._root, target, directory=outside.is_dir())
            lines.append(f"mount --bind {shlex.quote(str(outside))} {root}{target}")
            if "ro" in options:
                lines.append(f"mount -o remount,bind,ro {root}{target}")
            else:
                late.append(f"chown {self._user} {root}{target}")
        for mount in self._service.get("tmpfs", []):
            target, _, options = mount.partition(":")
            _place(self._root, target, directory=True)
            lines.append(f"mount -t tmpfs -o {options} tmpfs {root}{target}")
        lines.append(f"mount -t proc proc {root}/proc")
        if self._service.get("read_only"):
            lines.append(f"mount -o remount,bind,ro {root}")
        return lines + late

    def _inside(self, command: Sequence[str]) -> list[str]:
        """The command in a mount and process namespace of its own, where it is process 1."""
        user, group = self._user.split(":")
        assert self._service["cap_drop"] == ["ALL"]
        assert self._service["security_opt"] == ["no-new-privileges:true"]
        environment = [f"{name}={value}" for name, value in self._environment.items()]
        last = ["chroot", str(self._root), "setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
        last += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        last += ["env", "-i", "-C", self._directory, *environment, *command]
        script = "\n".join(["set -eu", *self._mounts(), f"exec {shlex.join(last)}"])
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RunningContainer"]:
        """Its command; it must leave with 0 within the grace period that compose.yaml gives it."""
        process = await asyncio.create_subprocess_exec(*self._inside([*self._entry, *self._command]))
        running = RunningContainer(self, process)
        try:
            yield running
        finally:
            await running.stop()

    async def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Another command with the same image and rights: its status and what it printed."""
        process = await asyncio.create_subprocess_exec(*self._inside(command), stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def run_command(self, *words: str) -> str:
        """`docker compose run` with these words."""
        status, said = await self.run([*self._entry, *words])
        assert status == 0, (self.name, words, status)
        return said

    async def health(self, check: Sequence[str]) -> int:
        """The status of a health check's command."""
        kind, *rest = check
        return (await self.run(rest if kind == "CMD" else ["sh", "-c", rest[0].replace("$$", "$")]))[0]


class RunningContainer:
    """A container's processes."""

    def __init__(self, container: Container, process: asyncio.subprocess.Process) -> None:
        self.container = container
        self.process = process
        self.status: int | None = None

    def child(self) -> int:
        """The program that is process 1 inside."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    async def stop(self) -> None:
        """SIGTERM to process 1, as an engine does."""
        if self.process.returncode is None:
            os.kill(self.child(), signal.SIGTERM)
        grace = float(str(self.container._service.get("stop_grace_period", "10s")).removesuffix("s"))
        async with asyncio.timeout(grace):
            self.status = await self.process.wait()


def _place(root: Path, target: str, *, directory: bool) -> None:
    """Something to mount on, as engines make it."""
    inside = root / target.lstrip("/")
    if directory:
        inside.mkdir(parents=True, exist_ok=True)
    elif not inside.exists():
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.touch()
