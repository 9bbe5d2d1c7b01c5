"""Frames of a binary protocol: packed, checked, cut from a stream, decoded; bytes, bytearrays and memoryviews."""
import array
import base64
import binascii
import struct

HEADER = struct.Struct(">2sBBHI")
READING = struct.Struct("<hfd?3x")


class BadFrame(ValueError):
    pass


def fletcher(data):
    low = high = 0
    for byte in data:
        low = (low + byte) % 255
        high = (high + low) % 255
    return high << 8 | low


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(view, at):
    number = shift = 0
    while True:
        byte = view[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def frame(kind, flags, body):
    return HEADER.pack(b"FR", kind, flags, fletcher(body), len(body)) + body


def make_stream(count):
    stream = bytearray()
    for n in range(count):
        if n % 3 == 0:
            body = b"".join(READING.pack(n % 300 - 150, n / 8, n ** 0.5, n % 2 == 0) for n in range(n, n + 8))
        elif n % 3 == 1:
            body = b"".join(map(varint, (n, n * n, n * n * n, 7, 300))) + b"\0" * (n % 20)
        else:
            body = ("name-%d \u20ac" % n).encode() + bytes(range(n % 64))
        if n % 97 == 50:
            stream += b"junk"
        stream += frame(n % 3, n & 15, body)
    return bytes(stream)


STREAM = make_stream(18000)


def frames(chunks):
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= HEADER.size:
            start = waiting.find(b"FR")
            if start:
                del waiting[:start if start > 0 else len(waiting) - 1]
                continue
            _, kind, flags, check, size = HEADER.unpack_from(waiting)
            if len(waiting) < HEADER.size + size:
                break
            body = bytes(memoryview(waiting)[HEADER.size:HEADER.size + size])
            del waiting[:HEADER.size + size]
            if fletcher(body) != check:
                raise BadFrame(kind)
            yield kind, flags, body


def run_length(data):
    out, i = bytearray(), 0
    while i < len(data):
        j = i + 1
        while j < len(data) and j - i < 255 and data[j] == data[i]:
            j += 1
        out += bytes((j - i, data[i]))
        i = j
    return bytes(out)


def run():
    checksum = 0
    chunks = (STREAM[i:i + 700] for i in range(0, len(STREAM), 700))
    for kind, flags, body in frames(chunks):
        checksum += flags
        if kind == 0:
            for small, single, double, even in READING.iter_unpack(body):
                checksum += small + int(single) + int(double) + even
        elif kind == 1:
            at, view = 0, memoryview(body)
            for _ in range(5):
                number, at = read_varint(view, at)
                checksum += number % 1009
        else:
            checksum += len(body.partition(b" ")[0].decode()) + body.count(b"\x07")
    packed = run_length(STREAM[:500000])
    samples = array.array("H", STREAM[:400000])
    samples.byteswap()
    checksum += len(packed) + sum(samples) % 65521 + binascii.crc32(STREAM) % 65521
    text = base64.b64encode(STREAM).decode("ascii")
    lines = [text[i:i + 76] for i in range(0, len(text), 76)]
    checksum += len(lines) + sum(base64.b64decode("".join(lines))[::501])
    return checksum, STREAM[:64].hex(":")[-8:]
