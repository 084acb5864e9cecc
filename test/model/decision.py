"""The decision written a second time, slow and plain, from docs/decision.md alone. Shares no code with assembly/.

Python's own big integers and `decimal` stand in for the tricks of the fast one.
"""

from decimal import Decimal, getcontext
from functools import cache

getcontext().prec = 60

AFFINITIES = ("none", "single", "classC")
U32 = 2**32


def rol(x, n):
    return ((x << n) | (x >> (32 - n))) % U32


def jhash(data, seed):
    """The kernel's jhash over bytes."""
    a = b = c = (0xDEADBEEF + len(data) + seed) % U32
    if not data:
        return c
    rest = data
    while len(rest) > 12:
        a, b, c = add_words(a, b, c, rest)
        for first, second in ((4, 6), (8, 16), (19, 4)):
            a, b, c = turn(a, b, c, first)
            a, b, c = turn(a, b, c, second)
        rest = rest[12:]
    a, b, c = add_words(a, b, c, rest)
    for n in (14, 11, 25, 16, 4, 14, 24):
        # c takes b, then a takes c, then b takes a, and so on: always the next lane from the one before it.
        c = ((c ^ b) - rol(b, n)) % U32
        a, b, c = b, c, a
    # After seven turns the lane that was finished last stands in the middle.
    return b


def add_words(a, b, c, data):
    padded = data[:12].ljust(12, b"\0")
    words = [int.from_bytes(padded[i : i + 4], "little") for i in (0, 4, 8)]
    return (a + words[0]) % U32, (b + words[1]) % U32, (c + words[2]) % U32


def turn(a, b, c, n):
    """`a -= c; a ^= rol(c, n); c += b`, then the lanes change places so that the next line reads the same."""
    a = ((a - c) % U32) ^ rol(c, n)
    c = (c + b) % U32
    return b, c, a


def parse_ipv4(text):
    parts = text.split(".")
    if len(parts) != 4:
        return None
    numbers = [plain_number(part, 255) for part in parts]
    return None if None in numbers else bytes(numbers)


def plain_number(text, largest):
    """A decimal number without sign or superfluous zero, or None."""
    if not text or any(digit not in "0123456789" for digit in text) or len(text) > 5 or (text[0] == "0" and len(text) > 1):
        return None
    return int(text) if int(text) <= largest else None


def parse_groups(text, may_end_in_ipv4):
    """Colon-separated groups to bytes, or None."""
    if text == "":
        return b""
    groups = text.split(":")
    result = b""
    for i, group in enumerate(groups):
        if may_end_in_ipv4 and i == len(groups) - 1 and "." in group:
            part = parse_ipv4(group)
        elif 1 <= len(group) <= 4 and all(digit in "0123456789abcdefABCDEF" for digit in group):
            part = int(group, 16).to_bytes(2, "big")
        else:
            part = None
        if part is None:
            return None
        result += part
    return result


def parse_address(text):
    """Address text to 16 bytes; None where it is refused."""
    if "%" in text:
        return None
    if ":" not in text:
        short = parse_ipv4(text)
        return None if short is None else bytes(10) + b"\xff\xff" + short
    halves = text.split("::")
    if len(halves) == 1:
        whole = parse_groups(text, True)
        return whole if whole is not None and len(whole) == 16 else None
    if len(halves) != 2:
        return None
    head, tail = parse_groups(halves[0], False), parse_groups(halves[1], True)
    if head is None or tail is None or len(head) + len(tail) > 14:
        return None
    return head + bytes(16 - len(head) - len(tail)) + tail


def parse_endpoint(text):
    """`a.b.c.d:port` or `[IPv6]:port` to (16 bytes, port); None where it is refused."""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":") or ":" not in inner:
            return None
        address, port = parse_address(inner), plain_number(rest[1:], 65535)
    else:
        inner, colon, rest = text.partition(":")
        if not colon:
            return None
        address, port = parse_address(inner), plain_number(rest, 65535)
    return None if address is None or port is None else (address, port)


def is_ipv4(address):
    return address[:12] == bytes(10) + b"\xff\xff"


def key_of(affinity, address, port, ipv6_prefix_length):
    short = address[12:] if is_ipv4(address) else address
    if affinity == "none":
        return short + port.to_bytes(2, "big") + b"\0\0"
    if affinity == "single":
        return short
    kept = 24 if is_ipv4(address) else ipv6_prefix_length
    gone = 8 * len(short) - kept
    return ((int.from_bytes(short, "big") >> gone) << gone).to_bytes(len(short), "big")


def bucket_of(key, hash_seed):
    return jhash(key, hash_seed) >> 16


@cache
def round_keys(name, hash_seed):
    return [jhash(name.encode(), (hash_seed + i * 0x9E3779B9) % U32) for i in range(4)]


def draw_of(bucket, name, hash_seed):
    left, right = bucket >> 8, bucket & 0xFF
    for key in round_keys(name, hash_seed):
        m = (right ^ key) * 0x85EBCA6B % U32
        m = (m ^ (m >> 13)) * 0xC2B2AE35 % U32
        m = m ^ (m >> 16)
        left, right = right, left ^ (m >> 24)
    return left << 24 | right << 16 | (m & 0xFFFF)


@cache
def table_entry(i):
    exact = Decimal(2) ** 31 * (Decimal(4096 + i) / 4096).ln() / Decimal(2).ln()
    return int(exact.to_integral_value())


def logarithm(draw):
    n = draw + 1
    e = n.bit_length() - 1
    m = (n << (32 - e)) - U32
    i, r = m >> 20, m & 0xFFFFF
    within = ((table_entry(i + 1) - table_entry(i)) * r) >> 20
    return (32 - e) * 2**31 - table_entry(i) - within


def ranking(bucket, weights, hash_seed):
    """Names of the hosts that take part, by rising cost; `weights` maps names to load weights."""
    ranked = []
    for name in sorted(name for name in weights if weights[name] > 0):
        cost = logarithm(draw_of(bucket, name, hash_seed))
        place = len(ranked)
        while place > 0 and cost * ranked[place - 1][2] < ranked[place - 1][1] * weights[name]:
            place -= 1
        ranked.insert(place, (name, cost, weights[name]))
    return [name for name, _, _ in ranked]


def rule_for(rules, protocol, address, port):
    """The rule that covers a destination, or None. One for this virtual IP goes before one for all."""
    covering = [
        rule
        for rule in rules
        if rule["protocol"] in (protocol, "both")
        and rule["portFirst"] <= port <= rule["portLast"]
        and (rule["virtualIp"] is None or parse_address(rule["virtualIp"]) == address)
    ]
    covering.sort(key=lambda rule: rule["virtualIp"] is None)
    return covering[0] if covering else None


def kept_host(rule, client_hash, parts):
    """Where a client of a rule with affinity is kept, or None."""
    for kept_hash, name in rule.get("kept", []):
        if kept_hash == client_hash and parts.get(name):
            return name
    return None


def decide(cluster, connection):
    """What every host of `cluster` must say about one connection, as the fields of a whole-decision vector."""
    destination = parse_endpoint(connection["destination"])
    rule = rule_for(cluster["rules"], connection["protocol"], *destination)
    answer = {"rule": rule and rule["name"], "bucket": None, "owner": None, "nextOwner": None, "refused": None}
    if rule is None:
        return answer | {"owner": min(cluster["hosts"], key=lambda host: host["priority"])["name"]}
    if rule["filteringMode"] == "disabled":
        return answer | {"refused": "disabled"}
    parts = {name: part for name, part in rule["parts"].items() if part > 0}
    if rule["filteringMode"] == "single":
        ranked = sorted(parts, key=lambda name: parts[name])
    else:
        client = parse_endpoint(connection["client"])
        key = key_of(rule["affinity"], *client, cluster["ipv6PrefixLength"])
        answer["bucket"] = bucket_of(key, cluster["hashSeed"])
        ranked = ranking(answer["bucket"], parts, cluster["hashSeed"])
        kept_at = kept_host(rule, jhash(key, cluster["hashSeed"]), parts)
        if kept_at:
            ranked = [kept_at] + [name for name in ranked if name != kept_at]
    if not ranked:
        return answer | {"refused": "nobody"}
    return answer | {"owner": ranked[0], "nextOwner": ranked[1] if len(ranked) > 1 else None}


def action_of(cluster, answer, self_name):
    """What the host `self_name` does: serve, handoff (with or without fallback), or refuse."""
    if answer["refused"]:
        return "refuse"
    if answer["owner"] == self_name:
        return "serve"
    rule = next((rule for rule in cluster["rules"] if rule["name"] == answer["rule"]), None)
    takes_part = rule is not None and rule["parts"].get(self_name, 0) > 0
    return "handoffOrFallback" if takes_part and rule["filteringMode"] == "multiple" else "handoff"
