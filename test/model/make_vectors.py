#!/usr/bin/env python3
"""Writes test/vectors/decision.json from the model; with --check, says whether the committed file is what the model says.

Everything random comes from one seed, so the file is the same on every machine.
"""

import json
import random
import sys
from pathlib import Path

import decision as model

FILE = Path(__file__).resolve().parent.parent / "vectors" / "decision.json"
SEED = 20260118

ADDRESSES = """192.0.2.17 0.0.0.0 255.255.255.255 ::ffff:192.0.2.17 ::ffff:c000:211 0:0:0:0:0:FFFF:192.0.2.17 ::192.0.2.17
64:ff9b::192.0.2.17 :: ::1 1:: 2001:DB8::1:0:17 2001:db8:0:1:2:3:4:5 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 fe80::1%eth0 192.0.2.17%1
1.2.3 1.2.3.4.5 1.2.3.256 01.2.3.4 1.2.3.4. .1.2.3.4 1..3.4 -1.2.3.4 +1.2.3.4 1.2.3.4a 1.2.3.1000 : ::: 1: :1 1:2:3:4:5:6:7
1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:8:: ::1:2:3:4:5:6:7:8 1::2::3 12345::1 g::1 ::1.2.3 ::1.2.3.4:5 1:2:3:4:5:6:7:1.2.3.4
1:2:3:4:5:6:1.2.3.4 [::1] unix:/run/x 1.2.3.4:5 ::ffff:1.2.3.4.5 1:::2 ::-1 / @/x""".split() + ["", " 1.2.3.4", "1.2.3.4 "]

ENDPOINTS = """192.0.2.17:0 192.0.2.17:65535 192.0.2.17:65536 192.0.2.17: 192.0.2.17 192.0.2.17:025 192.0.2.17:99999
192.0.2.17:123456 192.0.2.17:-1 192.0.2.17:1x [::1]:25 [::ffff:192.0.2.17]:25 [::1] [::1]25 [::1]: ::1:25 [192.0.2.17]:25
[::1%lo]:25 [::1]:0 [::1]:65535 [::1]:65536 [::1:25 ]:25 []:25 :25 a:25 [::1]:2:5 1.2.3.4:5:6 [[::1]]:25""".split() + ["", "["]


# Clients, by hash seed, for whom mail1 and mail2 draw the same upper 16 bits: the lower ones decide. Found by search;
# random decisions meet one in 65,536 of them, and would not notice when the lower bits are made otherwise.
CLOSE_DRAWS = {
    2: ["10.2.118.129"],
    4: ["10.0.80.64"],
    6: ["10.1.41.215", "10.0.73.128"],
    9: ["10.0.28.53", "10.0.84.83", "10.1.50.205"],
    11: ["10.2.64.191", "10.0.189.241"],
    13: ["10.0.11.54"],
    17: ["10.0.61.168", "10.1.170.47"],
    18: ["10.0.10.196", "10.2.11.67"],
}


def random_address(rng):
    """Address text: IPv4, IPv6 or IPv4-mapped."""
    if rng.random() < 0.5:
        return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    if rng.random() < 0.3:
        return f"::ffff:{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    groups = [rng.randrange(65536) for _ in range(8)]
    return "2001:db8:" + ":".join(f"{group:x}" for group in groups[2:])


def with_port(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def random_names(rng, count):
    """Unique names: the usual `mail1`, names that begin with one another, long ones."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    names = [f"mail{i + 1}" for i in range(count)]
    if rng.random() < 0.5:
        names = list({"".join(rng.choices(letters, k=rng.randrange(1, 33))) for _ in range(4 * count)} - {""})
        names = sorted(names)[:count] + ["a", "a-b", "ab"]
    return rng.sample(sorted(set(names)), count)


def random_weights(rng, names):
    kind = rng.randrange(3)
    if kind == 0:
        return dict.fromkeys(names, 50)
    if kind == 1:
        return {name: rng.randrange(101) for name in names}
    return {name: rng.choice((0, 1, 50, 99, 100)) for name in names}


def hash_vectors(rng):
    """Every length up to three blocks; the first text is Jenkins' own test of lookup3 (17770551 under seed 0)."""
    texts = [b"Four score and seven years ago"] + [bytes(range(length)) for length in range(41)] + [rng.randbytes(rng.randrange(1, 33)) for _ in range(20)]
    seeds = [0, 1, 0xFFFFFFFF, 0x5EED1234]
    return [
        {"bytes": text.hex(), "seed": seed, "hash": model.jhash(text, seed)}
        for text in texts
        for seed in (seeds if len(text) < 26 or text[0:1] == b"F" else [rng.randrange(2**32)])
    ]


def address_vectors():
    return [{"text": text, "bytes": hex_or_none(model.parse_address(text))} for text in ADDRESSES]


def endpoint_vectors():
    result = []
    for text in ENDPOINTS:
        address, port = model.parse_endpoint(text) or (None, None)
        result.append({"text": text, "bytes": hex_or_none(address), "port": port})
    return result


def hex_or_none(address):
    return None if address is None else address.hex()


def key_vectors(rng):
    result = []
    for number in range(120):
        client = with_port(random_address(rng), rng.randrange(65536))
        prefix = number + 1 if number < 128 else 64
        seed = rng.randrange(2**32)
        for affinity in model.AFFINITIES:
            key = model.key_of(affinity, *model.parse_endpoint(client), prefix)
            hashed = model.jhash(key, seed)
            result.append(
                {"affinity": affinity, "client": client, "ipv6PrefixLength": prefix, "hashSeed": seed}
                | {"key": key.hex(), "hash": hashed, "bucket": hashed >> 16}
            )
    return result


def draw_vectors(rng):
    buckets = [0, 1, 255, 256, 0x8000, 65535] + [rng.randrange(65536) for _ in range(14)]
    return [
        {"bucket": bucket, "name": name, "hashSeed": seed, "draw": model.draw_of(bucket, name, seed)}
        for name in ("a", "mail1", "mail2", "x" * 32)
        for seed in (0x5EED1234, rng.randrange(2**32))
        for bucket in buckets
    ]


def logarithm_vectors(rng):
    draws = {0, 1, 2, 3, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1} | {2**power - 1 for power in range(33)}
    draws |= {(4096 + step << 20) % 2**32 for step in range(0, 4096, 97)} | {rng.randrange(2**32) for _ in range(200)}
    return [{"draw": draw, "value": model.logarithm(draw)} for draw in sorted(draws)]


def owner_vectors(rng):
    result = []
    for count in (1, 2, 3, 3, 5, 8, 8, 16, 32, 32):
        weights = random_weights(rng, random_names(rng, count))
        seed = rng.randrange(2**32)
        owners = []
        for bucket in sorted(rng.sample(range(65536), 60)):
            ranked = model.ranking(bucket, weights, seed) + [None, None]
            owners.append([bucket, ranked[0], ranked[1]])
        result.append({"hashSeed": seed, "weights": weights, "owners": owners})
    return result


def random_rule(rng, name, ports, virtual_ip, names):
    mode = rng.choice(("multiple", "multiple", "multiple", "single", "disabled"))
    parts = {}
    if mode == "multiple":
        parts = random_weights(rng, names)
    if mode == "single":
        parts = dict(zip(names, rng.sample(range(1, 33), len(names)))) | {n: 0 for n in names if rng.random() < 0.3}
    if mode != "disabled" and rng.random() < 0.1:
        parts = dict.fromkeys(names, 0)
    return {
        "name": name,
        "virtualIp": virtual_ip,
        "portFirst": ports[0],
        "portLast": ports[1],
        "protocol": rng.choice(("tcp", "tcp", "udp", "both")),
        "filteringMode": mode,
        "affinity": rng.choice(model.AFFINITIES),
        "parts": parts,
    }


def random_cluster(rng):
    """Hosts in no order, rules for one virtual IP beside rules for all."""
    names = random_names(rng, rng.choice((1, 2, 3, 4, 8, 32)))
    priorities = rng.sample(range(1, 33), len(names))
    ips = ["10.0.0.100", "2001:db8::100"]
    rules = []
    for number, ports in enumerate(((25, 25), (443, 443), (1000, 1099), (0, 9))):
        rules.append(random_rule(rng, f"all-{number}", ports, None, names))
        if rng.random() < 0.6:
            ip = rng.choice([*ips, "::ffff:10.0.0.100"])
            rules.append(random_rule(rng, f"one-{number}", (ports[0], ports[0] + 20), ip, names))
    rng.shuffle(rules)
    return {
        "hashSeed": rng.randrange(2**32),
        "ipv6PrefixLength": rng.choice((64, 64, 48, 56, 1, 128, 61)),
        "hosts": [{"name": name, "priority": priority} for name, priority in zip(names, priorities)],
        "rules": rules,
    }


def plain_cluster(hash_seed, names):
    """Hosts of equal weight and one rule, affinity single."""
    rule = {"name": "smtp", "virtualIp": None, "portFirst": 25, "portLast": 25, "protocol": "tcp"}
    rule |= {"filteringMode": "multiple", "affinity": "single", "parts": dict.fromkeys(names, 50)}
    hosts = [{"name": name, "priority": place + 1} for place, name in enumerate(names)]
    return {"hashSeed": hash_seed, "ipv6PrefixLength": 64, "hosts": hosts, "rules": [rule]}


def answered(cluster, connection):
    """The connection with what comes of it."""
    answer = model.decide(cluster, connection)
    return connection | answer | {"action": model.action_of(cluster, answer, connection["self"])}


def close_decision_vectors():
    result = []
    for hash_seed, clients in CLOSE_DRAWS.items():
        cluster = plain_cluster(hash_seed, ["mail1", "mail2"])
        connections = []
        for client in clients:
            connection = {"protocol": "tcp", "client": f"{client}:1", "destination": "10.0.0.100:25", "self": "mail1"}
            connections.append(answered(cluster, connection))
            draws = {model.draw_of(connections[-1]["bucket"], name, hash_seed) >> 16 for name in ("mail1", "mail2")}
            assert len(draws) == 1, f"hash seed {hash_seed}, client {client}: the draws are not close"
        result.append({"cluster": cluster, "connections": connections})
    return result


def long_name_vectors(rng):
    """Names of 11 to 25 bytes: around the blocks of 12 that the hash takes."""
    cluster = plain_cluster(rng.randrange(2**32), ["n" * length for length in (11, 12, 13, 24, 25)])
    connections = []
    for _ in range(25):
        client = with_port(random_address(rng), 1)
        connection = {"protocol": "tcp", "client": client, "destination": "10.0.0.100:25", "self": "n" * 12}
        connections.append(answered(cluster, connection))
    return [{"cluster": cluster, "connections": connections}]


def decision_vectors(rng):
    result = close_decision_vectors() + long_name_vectors(rng)
    for _ in range(24):
        cluster = random_cluster(rng)
        connections = []
        for _ in range(25):
            ip = rng.choice(("10.0.0.100", "::ffff:10.0.0.100", "2001:db8::100", "10.0.0.101", "2001:DB8:0::100"))
            connection = {
                "protocol": rng.choice(("tcp", "tcp", "tcp", "udp")),
                "client": with_port(random_address(rng), rng.randrange(65536)),
                "destination": with_port(ip, rng.choice((25, 25, 443, 1000, 1005, 1099, 1100, 0, 9, 10, 45, 65535))),
                "self": rng.choice([host["name"] for host in cluster["hosts"]]),
            }
            connections.append(answered(cluster, connection))
        result.append({"cluster": cluster, "connections": connections})
    return result


def kept_decision_vectors(rng):
    """Clusters with rules of affinity single and class C whose clients are kept somewhere, among others who are not."""
    result = []
    for count, affinity in ((2, "single"), (3, "single"), (8, "classC"), (32, "single")):
        names = random_names(rng, count)
        cluster = plain_cluster(rng.randrange(2**32), names)
        other = {"name": "other", "portFirst": 143, "portLast": 143, "affinity": "classC", "parts": dict.fromkeys(names, 10)}
        cluster["rules"] = [cluster["rules"][0] | {"affinity": affinity}, cluster["rules"][0] | other]
        clients = [with_port(random_address(rng), rng.randrange(65536)) for _ in range(40)]
        for rule in cluster["rules"]:
            keys = [model.key_of(rule["affinity"], *model.parse_endpoint(client), 64) for client in clients]
            hashes = sorted({model.jhash(key, cluster["hashSeed"]) for key in keys})
            rule["kept"] = [[hashed, rng.choice(names)] for hashed in hashes if rng.random() < 0.5]
        connections = []
        for client in clients:
            connection = {"protocol": "tcp", "client": client, "destination": f"10.0.0.100:{rng.choice((25, 143))}"}
            connections.append(answered(cluster, connection | {"self": rng.choice(names)}))
        result.append({"cluster": cluster, "connections": connections})
    return result


def all_vectors():
    """Each kind has its own random numbers, so that a new kind leaves the others as they are."""
    table = b"".join(model.table_entry(i).to_bytes(4, "little") for i in range(4097))
    return {
        "decisionVersion": 1,
        "addresses": address_vectors(),
        "endpoints": endpoint_vectors(),
        "hashes": hash_vectors(random.Random(SEED)),
        "keys": key_vectors(random.Random(SEED + 1)),
        "draws": draw_vectors(random.Random(SEED + 2)),
        "logarithmTableHashes": [model.jhash(table[first : first + 8192], 0) for first in range(0, len(table), 8192)],
        "logarithms": logarithm_vectors(random.Random(SEED + 3)),
        "owners": owner_vectors(random.Random(SEED + 4)),
        "decisions": decision_vectors(random.Random(SEED + 5)),
        "keptDecisions": kept_decision_vectors(random.Random(SEED + 6)),
    }


def as_text(vectors):
    """JSON with one vector a line, so that a change reads well."""
    parts = []
    for kind, value in vectors.items():
        if isinstance(value, list):
            lines = ",\n".join("    " + json.dumps(vector) for vector in value)
            parts.append(f'  "{kind}": [\n{lines}\n  ]')
        else:
            parts.append(f'  "{kind}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    text = as_text(all_vectors())
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text)
        print(f"wrote {FILE.name}: {len(text)} characters")
        return 0
    if FILE.exists() and FILE.read_text() == text:
        print(f"{FILE.name} is what the model says")
        return 0
    print(f"{FILE} is not what the model says: run test/model/make_vectors.py and read the difference", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
