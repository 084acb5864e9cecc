#!/usr/bin/env python3
"""The model checked against what others published, and the fixed-point logarithm against exact ones.

Prints how many of the 65,536 buckets each host set decides otherwise than exact logarithms would.
"""

import math
import unittest
from decimal import Decimal, getcontext
from pathlib import Path

import decision as model

getcontext().prec = 40
HASH_SEED = 0x5EED1234
HOST_SETS = {
    "3 hosts, equal": {f"mail{i}": 50 for i in range(1, 4)},
    "2 hosts, 60 to 40": {"mail1": 60, "mail2": 40},
    "5 hosts, 1 to 100": {"a": 1, "b": 10, "c": 50, "d": 99, "e": 100},
    "8 hosts, one of 100 among 1": {f"mail{i}": 100 if i == 1 else 1 for i in range(1, 9)},
    "32 hosts, 3 to 96": {f"mail{i}": 3 * i for i in range(1, 33)},
}
# 65,536 buckets, costs that differ by less than the error 2^-26 of the logarithm: about one in 10,000 host sets has one.
OTHERWISE_MAX = 1


def near_logarithm(draw):
    """-log2((draw + 1) / 2^32) as a float: good to 2^-48."""
    # Near 1 the difference to 1 is what counts; log1p keeps its digits.
    return -math.log1p((draw + 1 - 2**32) / 2**32) / math.log(2)


def exact_cost(draw, weight):
    return -(Decimal(draw + 1) / 2**32).ln() / weight


def exact_owner(bucket, weights):
    """The owner by exact logarithms: floats where they tell the two best apart beyond doubt, 40 digits where not."""
    draws = {name: model.draw_of(bucket, name, HASH_SEED) for name in weights}
    ranked = sorted(weights, key=lambda name: near_logarithm(draws[name]) / weights[name])
    best, second = ranked[:2]
    gap = near_logarithm(draws[second]) / weights[second] - near_logarithm(draws[best]) / weights[best]
    if gap > 1e-10:
        return best
    return min(sorted(weights), key=lambda name: exact_cost(draws[name], weights[name]))


class ModelTest(unittest.TestCase):
    def test_jhash_is_lookup3_as_its_author_tests_it(self):
        self.assertEqual(model.jhash(b"", 0), 0xDEADBEEF)
        self.assertEqual(model.jhash(b"Four score and seven years ago", 0), 0x17770551)
        self.assertEqual(model.jhash(b"Four score and seven years ago", 1), 0xCD628161)

    def test_draws_of_a_host_are_a_permutation_of_the_buckets(self):
        for name in ("mail1", "a", "x" * 32):
            tops = {model.draw_of(bucket, name, HASH_SEED) >> 16 for bucket in range(65536)}
            self.assertEqual(len(tops), 65536, name)

    def test_logarithm_strays_less_than_2_to_the_minus_26_and_never_rises(self):
        last = 32 * 2**31
        for draw in sorted({int(2**32 * step / 5000) for step in range(5000)} | {2**32 - 1 - 2**i for i in range(32)}):
            value = model.logarithm(draw)
            exact = -(Decimal(draw + 1) / 2**32).ln() / Decimal(2).ln() * 2**31
            self.assertLess(abs(value - exact), 2**5, draw)
            self.assertLessEqual(value, last, draw)
            last = value

    def test_fixed_point_decides_as_exact_logarithms(self):
        for label, weights in HOST_SETS.items():
            otherwise = [
                bucket
                for bucket in range(65536)
                if model.ranking(bucket, weights, HASH_SEED)[0] != exact_owner(bucket, weights)
            ]
            print(f"{label}: {len(otherwise)} of 65536 buckets otherwise than exact logarithms")
            self.assertLessEqual(len(otherwise), OTHERWISE_MAX, f"{label}: {otherwise}")

    def test_worked_examples_of_the_page_are_what_the_model_says(self):
        page = (Path(__file__).resolve().parents[2] / "docs/decision.md").read_text()
        for client in ("192.0.2.17:40000", "[2001:db8::1:0:17]:40000"):
            for affinity in model.AFFINITIES:
                key = model.key_of(affinity, *model.parse_endpoint(client), 64)
                hashed = model.jhash(key, HASH_SEED)
                self.assertIn(f"| `{key.hex()}` | {hashed:08x} | {hashed >> 16} |", page)
        bucket = 53127
        weights = {"mail1": 50, "mail2": 50, "mail3": 100}
        for name, weight in weights.items():
            keys = " ".join(f"{key:08x}" for key in model.round_keys(name, HASH_SEED))
            draw = model.draw_of(bucket, name, HASH_SEED)
            cost = model.logarithm(draw)
            self.assertIn(f"| {name} | {keys} | {draw} | {cost} | {weight} | {cost / weight:.1f} |", page)
        self.assertEqual(model.ranking(bucket, weights, HASH_SEED), ["mail2", "mail3", "mail1"])
        self.assertEqual(model.ranking(bucket, weights | {"mail3": 50}, HASH_SEED), ["mail2", "mail1", "mail3"])
        for i in (0, 1, 2048, 4095, 4096):
            self.assertIn(f"T[{i}] = {model.table_entry(i)}", page)


if __name__ == "__main__":
    unittest.main()
