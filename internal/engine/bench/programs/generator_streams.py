"""Streams of generators: readers, windows, merges, trees that are walked lazily, and coroutines fed by send."""
import heapq
from itertools import accumulate, chain, count, groupby, islice, takewhile, tee


class Node:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None

    def insert(self, key):
        node = self
        while True:
            side = "left" if key < node.key else "right"
            child = getattr(node, side)
            if child is None:
                setattr(node, side, Node(key))
                return
            node = child

    def __iter__(self):
        if self.left:
            yield from self.left
        yield self.key
        if self.right:
            yield from self.right


def noise(seed):
    while True:
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        yield seed >> 8


def readings(seed, size):
    clock = 0
    for value in islice(noise(seed), size):
        clock += value % 13 + 1
        yield clock, seed % 10, value % 1000


def smooth(stream, width):
    window, total = [], 0
    for clock, sensor, value in stream:
        window.append(value)
        total += value
        if len(window) > width:
            total -= window.pop(0)
        yield clock, sensor, total // len(window)


def alarms(stream, limit):
    raised = False
    for clock, sensor, value in stream:
        if (value > limit) is not raised:
            raised = not raised
            yield clock, sensor, raised


def averager():
    total = number = 0
    average = None
    while True:
        value = yield average
        if value is None:
            return total
        total += value
        number += 1
        average = total / number


def collect(results):
    while True:
        results.append((yield from averager()))


def fold(items):
    """Flattens nested lists."""
    for item in items:
        if isinstance(item, list):
            yield from fold(item)
        else:
            yield item


def nested(depth, width):
    return list(range(width)) if depth == 0 else [nested(depth - 1, width) for _ in range(width)]


def permutations(items):
    if len(items) <= 1:
        yield items
        return
    for rest in permutations(items[1:]):
        for place in range(len(items)):
            yield rest[:place] + items[:1] + rest[place:]


def run():
    streams = [smooth(readings(seed, 26000), 6) for seed in (101, 202, 303, 404)]
    merged, copy = tee(heapq.merge(*streams))
    checksum = sum(clock % 17 + sensor for clock, sensor, _ in alarms(merged, 520))
    checksum += sum(len(list(group)) ** 2 for _, group in groupby(value // 100 for _, _, value in copy))
    tree = Node(5000)
    for key in islice(noise(9), 12000):
        tree.insert(key % 10007)
    checksum += sum(a * b % 7 for a, b in zip(tree, islice(tree, 1, None)))
    results = []
    feed = collect(results)
    next(feed)
    for n in range(90000):
        feed.send(n % 100 if n % 50 else None)
    checksum += sum(results) + sum(fold(nested(5, 8))) % 997
    checksum += sum(p[0] * p[-1] for p in permutations(tuple(range(9))))
    squares = takewhile(lambda n: n < 400000000, (n * n for n in count(1)))
    return checksum + sum(1 for total in accumulate(chain(squares, range(3000))) if total % 3 == 0)
