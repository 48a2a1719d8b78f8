"""The steps of deploy/systemd/README.md and the units' commands, in a folder instead of /etc, /opt and /run."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.paths import DEPLOY, ROOT
from tests.support.ports import free_port
from tests.support.redis.servers import find_binary, version_text
from tests.support.redis.users import version
from tests.support.repository.deploy_files import tool

SYSTEMD = DEPLOY / "systemd"
LIMIT_SECONDS = 30.0


def step(number: int) -> str:
    """Return the commands of a step."""
    text = (SYSTEMD / "README.md").read_text(encoding="utf-8")
    [section] = re.findall(rf"^\*\*{number}\. .*?(?=^\*\*{number + 1}\. )", text, re.MULTILINE | re.DOTALL)
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(block)


class MachineRoot:
    """A folder that stands for the machine's root; commands and units are rewritten to it."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self._port = port
        for name in (
            "etc/systemd/system",
            "usr/local/bin",
            "var/lib/sidedata-redis",
            "run/sidedata-redis",
            "credentials",
        ):
            (root / name).mkdir(parents=True)

    def here(self, text: str) -> str:
        """Return commands with this folder's paths and port."""
        text = re.sub(r"/opt/sidedata/bin/sidedata", f"{sys.executable} -m sidedata", text)
        return re.sub(r"(?<![\w.])/(?=(?:etc|usr/local|var/lib|run)/)", f"{self.root}/", text).replace(
            ":6379", f":{self._port}"
        )

    def run(self, number: int) -> None:
        """Run a step as it stands in the page."""
        done = subprocess.run(
            ["sh", "-eu"],
            input=self.here(step(number)),
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def unit(self, name: str) -> dict[str, list[str]]:
        """Return the settings of an installed unit."""
        settings: dict[str, list[str]] = {}
        for line in (self.root / "etc/systemd/system" / name).read_text(encoding="utf-8").splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.startswith("#"):
                settings.setdefault(key, []).append(value)
        return settings

    def start(self, stack: ExitStack, name: str, instance: str = "", *more: str) -> Path:
        """Run a unit's ExecStart with its environment, as systemd would; returns its log."""
        unit = self.unit(name)
        # The default of redis-start.sh is /etc/sidedata/users.acl.
        template = self.here("/etc/sidedata/users.acl")
        environment = {"PATH": f"{Path(find_binary()).parent}:/usr/bin:/bin", "ACL_TEMPLATE": template}
        for value in unit.get("Environment", []):
            key, _, text = shlex.split(value)[0].partition("=")
            environment[key] = self.here(text.replace("%d", str(self.root / "credentials")))
        for path in unit.get("EnvironmentFile", []):
            lines = Path(self.here(path)).read_text(encoding="utf-8").splitlines()
            environment |= dict(line.split("=", 1) for line in lines)
        for value in unit.get("LoadCredential", []):
            prefix, _, folder = value.partition(":")
            for secret in Path(self.here(folder)).iterdir():
                shutil.copy(secret, self.root / "credentials" / f"{prefix}_{secret.name}")
        words = [
            word
            for written in shlex.split(self.here(unit["ExecStart"][0].replace("%i", instance)))
            for word in (environment.get(written[1:], "").split() if written.startswith("$") else [written])
        ]
        log = self.root / f"{name}{instance}.log"
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [*words, *more], env=environment, cwd=self.root, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        return log


@pytest.fixture
def machine(tmp_path: Path) -> MachineRoot:
    """A machine on which steps 5 and 6 have been run."""
    if version(version_text(find_binary())) < (7, 0):
        pytest.skip("users.acl needs Redis 7.0: %R~ and selectors")
    if Path(find_binary()).name != "redis-server":
        pytest.skip("redis-start.sh runs a program of the name redis-server")
    made = MachineRoot(tmp_path, free_port())
    made.run(5)
    made.run(6)
    return made


def said(log: Path, pattern: str) -> str:
    """Wait until the log holds the pattern; its first group."""
    limit = time.monotonic() + LIMIT_SECONDS
    while not (found := re.search(pattern, log.read_text(encoding="utf-8", errors="replace"))):
        assert time.monotonic() < limit, log.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.02)
    return found[1]


def refused_objects(machine: MachineRoot, port: str) -> set[str]:
    """Return the commands and keys in Redis's log of refusals, as the runbook's operator reads it."""
    password = (machine.root / "etc/sidedata/redis-passwords/operator").read_text(encoding="utf-8").strip()
    words = [tool("redis-cli"), "-p", port, "--user", "operator", "ACL", "LOG", "100"]
    done = subprocess.run(
        words, env={"REDISCLI_AUTH": password}, capture_output=True, text=True, check=True, timeout=30
    )
    lines = done.stdout.splitlines()
    return {value for name, value in pairwise(lines) if name == "object"}


def test_the_steps_lead_to_a_service_and_a_token(machine: MachineRoot) -> None:
    """The units' commands run with the files of the steps: Redis, a worker and the service, and the operator makes a token."""
    port = re.findall(r":(\d+)/0", (machine.root / "etc/sidedata/service.env").read_text(encoding="utf-8"))[0]
    with ExitStack() as stack:
        redis = machine.start(stack, "sidedata-redis.service", "", "--port", port)
        said(redis, "(Ready to accept connections)")
        worker = machine.start(stack, "sidedata-worker@.service", "0")
        service = machine.start(stack, "sidedata-service.service", "", "--port", "0")
        address = said(service, r"listening on (http://\S+)")
        said(worker, r"(on 16 partitions)")
        ready = subprocess.run(
            [tool("curl"), "--silent", "--retry", "10", "--retry-all-errors", "--fail", f"{address}/readyz"],
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert json.loads(ready.stdout)["status"] == "ready"
        operator = dict(
            line.split("=", 1)
            for line in (machine.root / "etc/sidedata/operator.env").read_text(encoding="utf-8").splitlines()
        )
        command = next(line for line in step(9).splitlines() if line.startswith("sidedata token create"))
        words = [sys.executable, "-m", *shlex.split(command)]
        token = subprocess.run(words, env=operator, capture_output=True, text=True, check=True, timeout=30).stdout
        assert token.startswith("sd_")
        # A refusal that is no problem would hide the one that is.
        assert refused_objects(machine, port) <= {"client|setinfo"}


def test_secrets_are_for_root_alone_and_written_once(machine: MachineRoot) -> None:
    """Files with secrets have mode 0600; the step refuses to write a second secret over the first."""
    folder = machine.root / "etc/sidedata"
    secret = [*folder.glob("*.env"), *(folder / "redis-passwords").iterdir()]
    assert len(secret) == 8
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    before = (folder / "service.env").read_text(encoding="utf-8")
    with pytest.raises(AssertionError, match="there is an installation already"):
        machine.run(6)
    assert (folder / "service.env").read_text(encoding="utf-8") == before


def test_the_operator_s_command_is_a_unit_with_its_file() -> None:
    """operator.sh parses, and names the program and the environment file that the steps make."""
    script = SYSTEMD / "operator.sh"
    subprocess.run(["sh", "-n", str(script)], check=True, timeout=10)
    text = script.read_text(encoding="utf-8")
    assert "EnvironmentFile=/etc/sidedata/operator.env" in text
    assert "/opt/sidedata/bin/sidedata" in text
