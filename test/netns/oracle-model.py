"""Owners by test/model, which is written from docs/decision.md alone.

A JSON question on standard input, the owners' names in the clients' order on standard output:

    {"affinity": "single", "hashSeed": 1, "ipv6PrefixLength": 64, "weights": {"mail1": 50}, "clients": ["192.0.2.1:40000"]}
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))
sys.dont_write_bytecode = True

import decision  # noqa: E402


def owner(question, client):
    address, port = decision.parse_endpoint(client)
    key = decision.key_of(question["affinity"], address, port, question["ipv6PrefixLength"])
    bucket = decision.bucket_of(key, question["hashSeed"])
    return decision.ranking(bucket, question["weights"], question["hashSeed"])[0]


asked = json.load(sys.stdin)
json.dump([owner(asked, client) for client in asked["clients"]], sys.stdout)
