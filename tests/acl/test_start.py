"""deploy/redis-start.sh refuses to start a Redis that lets every client in, or none."""

import subprocess
from pathlib import Path

from tests.support.paths import DEPLOY


def render(directory: Path, **variables: str) -> str:
    """Run the script, which must fail, and return its message; no list of users may be left behind."""
    environment = {"PATH": "/usr/bin:/bin", "ACL_FILE": str(directory / "users.acl"), **variables}
    done = subprocess.run(
        ["sh", str(DEPLOY / "redis-start.sh"), "render"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    assert done.returncode == 1
    assert not (directory / "users.acl").exists()
    return done.stderr


def test_no_list_of_users_is_an_error(tmp_path: Path) -> None:
    """With an empty list Redis's default user would have all rights."""
    message = render(tmp_path, ACL_TEMPLATE=str(tmp_path / "nothing"), REDIS_PASSWORD_WORKER="a")  # noqa: S106
    assert message == f"redis-start.sh: there is no list of users in {tmp_path / 'nothing'}\n"


def test_no_password_at_all_is_an_error(tmp_path: Path) -> None:
    """All users would be off: the message names both places of passwords."""
    folder = f"{tmp_path}/secrets/"
    message = render(tmp_path, ACL_TEMPLATE=str(DEPLOY / "users.acl"), ACL_PASSWORDS=folder)
    assert message == f"redis-start.sh: no user has a password: neither {folder}<user> nor REDIS_PASSWORD_<USER>\n"
