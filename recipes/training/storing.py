"""Serialising: json, pickle of every protocol, copy, struct, marshal, base64, compression, digests."""

import base64
import binascii
import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import hashlib
import hmac
import io
import json
import marshal
import pickle
import struct
import zlib

from lcg import Draw


class Suit(enum.Enum):
    CLUBS = 1
    HEARTS = 2


@dataclasses.dataclass
class Card:
    suit: Suit
    rank: int
    notes: list


class Node:
    def __init__(self, name, *children):
        self.name = name
        self.children = list(children)
        self.parent = None
        for child in self.children:
            child.parent = self


class Slim:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b

    def __reduce__(self):
        return Slim, (self.a, self.b)


class Stateful:
    def __init__(self):
        self.kept, self.dropped = 1, 2

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.__dict__.update(state, dropped=0)


Pair = collections.namedtuple("Pair", "left right")


def document(n):
    draw = Draw(n)
    return {
        "id": n,
        "title": "Ein Titel mit Ümläuten und \"quotes\" \\ %d" % n,
        "tags": [draw.word() for _ in range(n % 20)],
        "numbers": [draw.below(9999) - 5000 for _ in range(n % 30)] + [2**40 + n],
        "reals": [draw.unit() * 1000, 1e-7 * n, -0.5, 1e22],
        "nested": {"a": {"b": {"c": [None, True, False, []]}}, "text": "日本\n\t😀"},
        "users": [{"name": draw.word(), "age": draw.below(99), "active": bool(i & 1), "score": i / 8} for i in range(n % 12)],
    }


def json_round(n):
    size, same = 0, 0
    for i in range(n):
        data = document(i)
        text = json.dumps(data)
        size += len(text) + len(json.dumps(data, indent=2)) + len(json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True))
        same += json.loads(text) == data
        same += len(json.loads(text.encode(), object_pairs_hook=collections.OrderedDict))
        if i % 4 == 0:
            size += len(json.dumps({"s": {1, 2}, "d": decimal.Decimal("1.5"), 5: 1}, default=lambda v: sorted(v) if isinstance(v, set) else str(v)))
            out = io.StringIO()
            json.dump([data], out)
            out.seek(0)
            same += len(json.load(out, parse_float=decimal.Decimal, object_hook=lambda d: d)[0])
            try:
                json.loads(text[:-3])
            except json.JSONDecodeError as error:
                size += error.pos
    return size, same


def things(n):
    root = Node("root", *[Node("child%d" % i, Node("leaf")) for i in range(n % 9)])
    shared = [1, 2, 3]
    return [
        document(n), root, Card(Suit.HEARTS, n, [shared, shared]), Slim(n, "b"), Pair(1, (2, 3)), Stateful(),
        {1, 2, n}, frozenset((3,)), b"bytes" * 9, bytearray(b"x"), 2.5 * n, 10**30 + n, 1 + 2j, None, True, (), "é" * 300,
        datetime.date(2020, 1, 1 + n % 28), datetime.timedelta(n), decimal.Decimal("1.25"), fractions.Fraction(n, 7),
        collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1, 2]), range(n), len, Node, collections.defaultdict(list, a=[1]),
    ]


def pickled(n):
    size, total = 0, 0
    for i in range(n):
        data = things(i)
        for protocol in (2, 3, 4, 5):
            text = pickle.dumps(data, protocol)
            back = pickle.loads(text)
            total += back[2].rank + len(back[1].children) + (back[0] == data[0]) + back[5].dropped + (back[-3] is len)
            size += len(text)
        numbers = pickle.dumps([list(range(i * 9)), {str(k): k / 4 for k in range(i)}, [(k, "t") for k in range(i)]], 4)
        total += len(pickle.loads(numbers)[1])
        if i % 10 == 0:
            total += pickle._loads(pickle._dumps(data[:4], 4))[2].rank
    return size, total


def copied(n):
    total = 0
    for i in range(n):
        data = things(i)
        deep, flat = copy.deepcopy(data), copy.copy(data)
        total += (deep[0] == data[0]) + (flat[1] is data[1]) + (deep[1] is data[1]) + (deep[2].notes[0] is deep[2].notes[1])
        total += copy.copy(data[2]).rank + len(copy.copy(data[0])) + len(marshal.loads(marshal.dumps([data[0], 1.5, (1, b"x")])))
    return total


def structs(n):
    header = struct.Struct("<4sHHIq")
    total = 0
    for i in range(n):
        data = header.pack(b"HEAD", i & 0xFFFF, 7, i * 3, -i)
        magic, a, b, c, d = header.unpack(data)
        total += a + b + c + d + len(magic) + struct.calcsize(">bhxq")
        body = struct.pack(">3d5i?", i / 3, 1.5, -2.0, *range(5), True) + struct.pack("<ef", 0.5, 2.25)
        total += int(sum(struct.unpack(">3d5i?", body[:45]))) + struct.unpack_from(">i", body, 28)[0]
        total += sum(v for v, in struct.iter_unpack("<H", data[:16])) & 255
        total += int.from_bytes(data[:8], "little") % 1000 + len((i * i + 1).to_bytes(8, "big"))
    return total


def encoded(n):
    draw = Draw(n)
    size = 0
    for i in range(n):
        data = bytes(draw.below(256) for _ in range(30 + i % 50))
        text = base64.b64encode(data)
        size += len(text) + (base64.b64decode(text) == data) + len(base64.urlsafe_b64encode(data)) + len(base64.b32encode(data))
        size += len(binascii.hexlify(data)) + len(bytes.fromhex(data.hex())) + len(base64.b85encode(data)) + len(base64.b16encode(data))
        size += binascii.crc32(data) % 97 + len(binascii.b2a_qp(data))
    return size


def compressed(n):
    prose = b" ".join(b"word%d and more words" % (i * i % 97) for i in range(300))
    same = 0
    for i in range(n):
        same += zlib.decompress(zlib.compress(prose, 1 + i % 9)) == prose
        packer, unpacker = zlib.compressobj(), zlib.decompressobj()
        parts = [packer.compress(prose[k : k + 700]) for k in range(0, len(prose), 700)] + [packer.flush()]
        same += b"".join([unpacker.decompress(part) for part in parts] + [unpacker.flush()]) == prose
    return same, zlib.crc32(prose), zlib.adler32(prose)


def digested(n):
    text = ""
    for i in range(n):
        data = b"message %d" % i
        for name in ("sha1", "sha256", "sha512", "sha3_256", "blake2b"):
            digest = hashlib.new(name, data)
            digest.update(data * 20)
            text = digest.hexdigest()
        text += hashlib.sha256(text.encode()).hexdigest() + hmac.new(b"key", data, hashlib.sha256).hexdigest()
        text = text[:8] + hashlib.blake2s(data, digest_size=8, key=b"k").hexdigest()
    return text, hmac.compare_digest(b"a", b"a")


def run():
    results = []
    for n in range(3, 39):
        results += [json_round(n), pickled(n // 3), copied(n // 3), structs(n * 6), encoded(n), compressed(n // 10 + 1), digested(n)]
    return results
