"""Memory: reference cycles and their collection at fixed points, finalizers, weak references, many objects of many sizes."""

import gc
import weakref


class Node:
    def __init__(self, name):
        self.name = name
        self.links = []

    def link(self, other):
        self.links.append(other)
        other.links.append(self)
        return other


class Noted:
    log = []

    def __init__(self, i):
        self.i = i
        self.me = self

    def __del__(self):
        Noted.log.append(self.i)


class Slots:
    __slots__ = ("other", "value", "__weakref__")


def rings(n):
    total = 0
    for size in (2, 5, 20):
        for _ in range(n):
            nodes = [Node(i) for i in range(size)]
            for a, b in zip(nodes, nodes[1:] + nodes[:1]):
                a.link(b)
            total += len(nodes[0].links)
        gc.collect(0)
    return total, gc.collect() > 0


def kinds_of_cycles(n):
    for i in range(n):
        items = [i]
        items.append(items)
        table = {"k": i}
        table["self"] = (table, items)
        slots = Slots()
        slots.other = slots

        def closure(depth):
            return closure(depth - 1) if depth else items

        def generator():
            yield running
            yield table

        running = generator()
        next(running)
        kept = closure(2)

        class Local:
            me = None

        Local.me = Local()
        try:
            raise ValueError(i)
        except ValueError as error:
            caught = error
            caught.frame = error.__traceback__
        if i % 50 == 0:
            gc.collect(1)
    del items, table, slots, closure, generator, running, kept, Local, caught
    return gc.collect() > 0


def finalized(n):
    Noted.log.clear()
    called = []
    for i in range(n):
        noted = Noted(i)
        if i % 3 == 0:
            weakref.finalize(noted, called.append, i)
        node = Node(i)
        node.watch = weakref.ref(noted, called.append)
    del noted, node
    gc.collect()
    return len(Noted.log), sum(Noted.log), len(called), sum(c for c in called if type(c) is int)


def surviving(n):
    kept, total = [], 0
    for i in range(n):
        kept.append({"id": i, "children": [Node(j) for j in range(3)], "pair": (i, [i])})
        if len(kept) > 200:
            total += kept.pop(i * 7 % 200)["id"]
        total += len([[] for _ in range(10)])
    return total, gc.is_tracked((1, 2)), gc.is_tracked(kept), len(gc.get_referents(kept[0]))


def sizes(n):
    blocks, total = [], 0
    for i in range(n):
        blocks.append(bytes(i * 37 % 3000))
        blocks.append("x" * (i * 11 % 700))
        blocks.append([None] * (i % 90))
        blocks.append(tuple(range(i % 25)))
        blocks.append(dict.fromkeys(range(i % 40)))
        if i % 4 == 3:
            total += sum(map(len, blocks[::2]))
            del blocks[::3]
        if len(blocks) > 400:
            blocks.clear()
    return total


def watched(n):
    cache = weakref.WeakValueDictionary()
    owners = weakref.WeakKeyDictionary()
    members = weakref.WeakSet()
    kept = []
    for i in range(n):
        slots = Slots()
        slots.value, slots.other = i, None
        cache[i % 64] = slots
        owners[slots] = i
        members.add(slots)
        if i % 5 == 0:
            kept.append(slots)
            proxy = weakref.proxy(slots)
            proxy.value += 1
    del slots, proxy
    gc.collect()
    return len(cache), sum(owners.values()), len(members), sum(s.value for s in kept)


def run():
    results = []
    for n in range(15, 200, 10):
        results += [rings(n), kinds_of_cycles(n), finalized(n), surviving(n * 4), sizes(n * 3), watched(n)]
    return results
