"""The service, Caddy and nginx as processes, with the files of deploy/proxy."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sidedata.settings import PREFIX
from tests.support.paths import DEPLOY
from tests.support.ports import free_port
from tests.support.proxies.front import Service
from tests.support.repository.deploy_files import tool

START_SECONDS = 30.0


def wait_for(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Wait until the condition holds, with the log in the failure."""
    limit = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < limit, f"{what}: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
        time.sleep(0.02)


def start(stack: ExitStack, command: list[str], log: Path, **variables: str) -> None:
    """Start a program whose output goes to the log; it ends with the stack."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    output = stack.enter_context(log.open("ab"))
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**inherited, **variables}, cwd=log.parent
    )
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """Return the configuration with this machine's ports and paths; each original must be there."""
    for pattern, value in changes:
        text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
        assert count, pattern
    return text


def start_caddy(stack: ExitStack, directory: Path, port: int, upstream: int, pair: tuple[str, str]) -> Path:
    """Start Caddy, without its port for administration and without one for plain HTTP."""
    log = directory / "caddy.log"
    site = replaced(
        (DEPLOY / "proxy/Caddyfile").read_text(encoding="utf-8"),
        (r"^\t# tls .*$", f"\ttls {' '.join(pair)}"),
        (r"^\{$", "{\n\tadmin off\n\tauto_https disable_redirects"),
    )
    (directory / "Caddyfile").write_text(site, encoding="utf-8")
    command = [tool("caddy"), "run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]
    places = {name: str(directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    start(stack, command, log, SITE=f"https://127.0.0.1:{port}", UPSTREAM=f"127.0.0.1:{upstream}", **places)
    return log


def start_nginx(stack: ExitStack, directory: Path, port: int, upstream: int, pair: tuple[str, str]) -> Path:
    """Start nginx; what Debian's own nginx.conf says around the site stands in a file of the test."""
    log = directory / "nginx.log"
    plain = free_port()
    site = replaced(
        (DEPLOY / "proxy/nginx.conf").read_text(encoding="utf-8"),
        (r"server 127\.0\.0\.1:8080 ", f"server 127.0.0.1:{upstream} "),
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r"listen 80;", f"listen 127.0.0.1:{plain};"),
        (r"^ +listen \[::\].*$", ""),
        (r"ssl_certificate .*;", f"ssl_certificate {pair[0]};"),
        (r"ssl_certificate_key .*;", f"ssl_certificate_key {pair[1]};"),
        (r"/var/log/nginx/sidedata\.log", str(log)),
    )
    (directory / "site.conf").write_text(site, encoding="utf-8")
    paths = "".join(
        f"    {name}_temp_path {directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    around = (
        f"daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n    access_log off;\n{paths}    include {directory}/site.conf;\n}}\n"
    )
    (directory / "nginx.conf").write_text(around, encoding="utf-8")
    start(stack, [tool("nginx"), "-p", str(directory), "-c", str(directory / "nginx.conf")], log)
    return log


def answers(port: int) -> bool:
    """Tell if something listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def start_service(stack: ExitStack, directory: Path) -> Service:
    """Start `sidedata up` and create a token for everything."""
    log = directory / "log"
    port = free_port()
    sidedata = [sys.executable, "-m", "sidedata"]
    start(
        stack,
        [*sidedata, "up"],
        log,
        SIDEDATA_PORT=str(port),
        SIDEDATA_WORKER_PORT="0",
        SIDEDATA_TRUSTED_PROXIES="127.0.0.1",
    )
    wait_for(lambda: "sidedata is up" in log.read_text(encoding="utf-8"), "the service starts", log)
    token = subprocess.run(
        [*sidedata, "token", "create", "--org", "all", "--scope", "reports", "--scope", "ingest"],
        env={**os.environ, "SIDEDATA_REDIS_URL": f"unix://{directory}/.sidedata/redis.sock"},
        capture_output=True,
        text=True,
        check=True,
        timeout=START_SECONDS,
    ).stdout.strip()
    return Service(port, token, log)


STARTS = {"caddy": start_caddy, "nginx": start_nginx}
