"""Lists, tuples, dictionaries, sets, deques, heaps, arrays, bytes: every operation, sorting, slicing, unpacking."""

import array
import bisect
import collections
import heapq
import operator

from lcg import Draw


def lists(n):
    draw = Draw(n)
    items = [draw.below(1000) for _ in range(n)]
    total = len(items)
    stack = []
    for i, value in enumerate(items):
        stack.append(value)
        if value % 3 == 0 and stack:
            total += stack.pop()
        if value % 7 == 0:
            stack.insert(len(stack) // 2, i)
        if value % 50 == 1 and value in stack:
            stack.remove(value)
        items[i] = items[i - 1] + value & 1023
        items[-1 - i] += 1
    stack += items[::3]
    stack.extend(range(9))
    stack[2:5] = [1, 2, 3, 4]
    del stack[1:3], stack[-1]
    stack.reverse()
    total += stack.count(7) + stack.index(7) + sum(stack[1:-1]) + min(stack[:9])
    grid = [[0] * 8 for _ in range(8)]
    for i in range(n):
        grid[i & 7][draw.below(8)] += i
    copy = stack.copy()
    copy.sort(reverse=True)
    return total, grid[3][:4], copy[:3], stack == copy, stack < copy, (stack + copy)[-2:], [0, 1] * 3


def tuples(n):
    points = [(i % 7, -i % 5, str(i)) for i in range(n)]
    total = 0
    for x, y, name in points:
        x, y = y, x
        total += x * 2 + y + len(name)
    for i, (x, _, name) in enumerate(points):
        first, *rest = (x, i, name)
        (a, b), c = (x, i), rest
        total += first + a + b + len(c) + len((x, *rest)) + ((x, i) < (i, x))
    ordered = sorted(points)
    return total, ordered[0], ordered[-1], max(points, key=operator.itemgetter(1, 2)), (1, 2) + (3,), points[:4].index((0, 0, "0"))


def dictionaries(n):
    table, text = {}, {}
    for i in range(n):
        table[i * 7 % 1009] = i
        key = "key%d" % (i % 60)
        text[key] = text.get(key, 0) + i
        if key in table or i in table:
            text.setdefault("seen", []).append(i)
    total = 0
    for key, value in table.items():
        total += key * value & 255
    for key in text:
        total += len(key)
    total += sum(table.values()) + len(text.keys() & {"key1", "key2", "other"})
    for i in range(0, n, 3):
        table.pop(i, None)
    merged = {**text, "more": 1} | {"last": 2}
    merged.update(a=1, b=2)
    nested = {"a": {"b": {"c": [1, 2, {"d": 3}]}}}
    for _ in range(n):
        total += nested["a"]["b"]["c"][2]["d"]
    mixed = {1: "int", 2.5: "float", (1, 2): "tuple", None: "none", b"x": "bytes", frozenset((1,)): "set"}
    total += len(mixed[1.0]) + len(mixed[1, 2]) + len(mixed[None])
    while len(table) > n // 2:
        table.popitem()
    small = [dict(zip("abc", (i, i + 1, i + 2))) for i in range(n // 2)]
    total += sum(d["a"] * d["c"] for d in small) + len(dict.fromkeys(range(9))) + (small[0] == small[1])
    return total, sorted(merged)[:4], list(reversed(list(text)))[:2], next(iter(table))


def sets(n):
    evens, threes = set(range(0, n, 2)), {i for i in range(0, n, 3)}
    total = len(evens & threes) + len(evens | threes) * 2 + len(evens - threes) + len(evens ^ threes)
    words = {"w%d" % (i % 40) for i in range(n)}
    for i in range(n):
        if i in evens:
            threes.add(i)
        else:
            threes.discard(i * 2)
        total += "w%d" % (i % 50) in words
    total += sum(evens) + evens.issubset(threes) + frozenset(evens).isdisjoint({-1})
    cells = {(i % 11, i % 7) for i in range(n)}
    cells |= {(x + 1, y) for x, y in cells}
    cells.difference_update([(0, 0), (1, 1)])
    return total, len(cells), sorted(words)[:3], sorted(cells)[:2]


def specials(n):
    window = collections.deque(maxlen=8)
    line = collections.deque()
    order = collections.OrderedDict()
    groups = collections.defaultdict(list)
    chain = collections.ChainMap({"a": 1}, {"b": 2, "a": 3})
    total = 0
    for i in range(n):
        window.append(i)
        line.append(i)
        line.appendleft(-i)
        if i % 3 == 0:
            total += line.pop() + line.popleft()
        order["k%d" % (i % 30)] = i
        order.move_to_end("k%d" % (i % 7 if i > 30 else 0), last=i & 1 == 0)
        groups[i % 9].append(i)
        total += chain["a"] + chain["b"]
        window.rotate(1)
    counts = collections.Counter("the quick brown fox jumps over the lazy dog" * 3)
    counts.update("aaab")
    counts = counts + collections.Counter(a=3) - collections.Counter("zz")
    if len(order) > 20:
        order.popitem(last=False)
    return total, sum(window), len(line), counts.most_common(3), list(order)[:3], sum(map(len, groups.values())), line[2]


def heaps(n):
    draw = Draw(n)
    heap, pairs, ordered = [], [], []
    for i in range(n):
        value = draw.below(5000)
        heapq.heappush(heap, value)
        heapq.heappush(pairs, (value % 50, i, "job"))
        if i % 3 == 2:
            heapq.heappop(pairs)
        if i < 300:
            bisect.insort(ordered, value)
    first = [heapq.heappop(heap) for _ in range(n // 2)]
    total = sum(bisect.bisect_left(ordered, v) - bisect.bisect_right(ordered, v) for v in range(0, 5000, 40))
    heapq.heapify(first)
    total += heapq.heappushpop(first, 9) + heapq.heapreplace(first, 1)
    return total, heapq.nlargest(3, heap), heapq.nsmallest(3, pairs), list(heapq.merge(ordered[:3], [1, 2], first[:1]))


def sorting(n):
    draw = Draw(n + 5)
    numbers = [draw.below(10000) for _ in range(n)]
    words = [draw.word() for _ in range(n // 2)]
    floats = [v / 7 for v in numbers]
    people = [{"name": w, "age": draw.below(90), "id": i} for i, w in enumerate(words)]
    mixed = [v if v & 1 else v / 2 for v in numbers]
    results = [sorted(numbers)[:2], sorted(words)[:2], sorted(floats)[-1], sorted(mixed)[1]]
    results.append(sorted(words, key=len)[-1])
    results.append(sorted(words, key=str.upper, reverse=True)[0])
    people.sort(key=lambda person: (person["age"], person["name"]))
    results.append(people[0]["id"])
    people.sort(key=operator.itemgetter("name"))
    results.append(people[-1]["id"])
    results.append(sorted(zip(numbers, words))[0])
    numbers.sort()
    numbers[n // 3], numbers[n // 2] = numbers[n // 2], numbers[n // 3]
    numbers.sort()
    results.append(sorted(numbers + numbers[::-1])[::100][:3])
    return results


def buffers(n):
    data = bytearray(n)
    for i in range(n):
        data[i] = i * 7 & 255
    data += b"tail"
    data.extend(range(9))
    view = memoryview(data)
    total = sum(view[2:40]) + view[-1] + len(view[::2]) + len(bytes(view)) + data.find(b"tail")
    view[0:2] = b"xy"
    view.release()
    data[3:5] = b"long"
    total += data.count(0) + sum(bytes(data)) + len(data.hex()) + len(data.split(b"\0"))
    numbers = array.array("i", range(n))
    reals = array.array("d", [i / 2 for i in range(n)])
    for i in range(1, n):
        numbers[i] += numbers[i - 1] & 15
        reals[i] = reals[i - 1] * 0.5 + numbers[i]
    wide = memoryview(numbers).cast("B")
    total += numbers[-1] + len(wide) + len(numbers.tobytes()) + sum(numbers[:9])
    text = bytes(range(65, 91)).lower().replace(b"a", b"bb").translate(bytes(range(256)), b"xyz")
    sieve = bytearray([1]) * n
    for i in range(2, n):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(range(i * i, n, i)))
    return total, reals[-1], text, sum(sieve), data.startswith(b"xy"), b"a,b".partition(b","), b"%d|%s" % (n, b"q")


def run():
    results = []
    for n in range(12, 900, 11):
        for topic in (lists, tuples, dictionaries, sets, specials, heaps, sorting, buffers):
            results.append(topic(n))
    return results
