"""Algorithms and structures: graphs, dynamic programming, tries, trees, linked lists, caches, unions, text indexes."""

import collections
import functools
import heapq

from lcg import Draw


def network(n, draw):
    graph = {i: {} for i in range(n)}
    for i in range(n):
        for _ in range(4):
            j = draw.below(n)
            if j != i:
                graph[i][j] = graph[j][i] = 1 + draw.below(20)
    return graph


def dijkstra(graph, start):
    best, queue = {start: 0}, [(0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        if cost > best[node]:
            continue
        for near, step in graph[node].items():
            if cost + step < best.get(near, 1 << 30):
                best[near] = cost + step
                heapq.heappush(queue, (cost + step, near))
    return best


def breadth_first(graph, start):
    parent, queue = {start: None}, collections.deque([start])
    while queue:
        node = queue.popleft()
        for near in graph[node]:
            if near not in parent:
                parent[near] = node
                queue.append(near)
    return parent


def depth_first(graph):
    seen, order = set(), []

    def visit(node):
        seen.add(node)
        for near in sorted(graph[node]):
            if near not in seen:
                visit(near)
        order.append(node)

    for node in graph:
        if node not in seen:
            visit(node)
    return order


class Union:
    def __init__(self, n):
        self.parent = list(range(n))

    def find(self, x):
        while self.parent[x] != x:
            self.parent[x] = self.parent[self.parent[x]]
            x = self.parent[x]
        return x

    def join(self, a, b):
        a, b = self.find(a), self.find(b)
        self.parent[a] = b
        return a != b


def graphs(n):
    graph = network(n, Draw(n))
    union = Union(n)
    edges = sorted((cost, a, b) for a, near in graph.items() for b, cost in near.items() if a < b)
    spanning = sum(cost for cost, a, b in edges if union.join(a, b))
    far = [[graph[i].get(j, 0 if i == j else 999) for j in range(min(n, 16))] for i in range(min(n, 16))]
    for k, row_k in enumerate(far):
        for row in far:
            for j, step in enumerate(row_k):
                if row[k] + step < row[j]:
                    row[j] = row[k] + step
    return sum(dijkstra(graph, 0).values()), len(breadth_first(graph, 0)), depth_first(graph)[:3], spanning, sum(map(sum, far))


def distance(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


def common(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            if a[i] == b[j]:
                table[i + 1][j + 1] = table[i][j] + 1
            else:
                table[i + 1][j + 1] = max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def programs(n):
    draw = Draw(n)
    words = [draw.word() for _ in range(n // 3 + 2)]
    total = sum(distance(a, b) + common(a, b) for a, b in zip(words, words[1:]))
    weights = [(1 + draw.below(9), draw.below(50)) for _ in range(n // 4)]
    room = [0] * (n + 1)
    for weight, value in weights:
        for k in range(n, weight - 1, -1):
            room[k] = max(room[k], room[k - weight] + value)
    ways = [1] + [0] * n
    for coin in (1, 2, 5, 10, 20, 50):
        for k in range(coin, n + 1):
            ways[k] += ways[k - coin]

    @functools.lru_cache(None)
    def split(k, most):
        return 1 if k == 0 else sum(split(k - part, part) for part in range(1, min(k, most) + 1))

    return total, room[-1], ways[-1], split(min(n, 18), 18)


class Trie:
    def __init__(self):
        self.root = {}

    def add(self, word):
        node = self.root
        for letter in word:
            node = node.setdefault(letter, {})
        node["$"] = word

    def under(self, prefix):
        node = self.root
        for letter in prefix:
            if letter not in node:
                return
            node = node[letter]
        stack = [node]
        while stack:
            node = stack.pop()
            for letter, below in node.items():
                if letter == "$":
                    yield below
                else:
                    stack.append(below)


class Leaf:
    def __init__(self, key):
        self.key = key
        self.left = self.right = None


class Tree:
    def __init__(self):
        self.root, self.size = None, 0

    def add(self, key):
        self.size += 1
        if self.root is None:
            self.root = Leaf(key)
            return
        node = self.root
        while True:
            side = "left" if key < node.key else "right"
            child = getattr(node, side)
            if child is None:
                setattr(node, side, Leaf(key))
                return
            node = child

    def __iter__(self):
        stack, node = [], self.root
        while stack or node:
            while node:
                stack.append(node)
                node = node.left
            node = stack.pop()
            yield node.key
            node = node.right

    def __contains__(self, key):
        node = self.root
        while node is not None and node.key != key:
            node = node.left if key < node.key else node.right
        return node is not None


class Cache:
    """The least recently used goes first: a table and a ring of links."""

    def __init__(self, limit):
        self.limit, self.table, self.hits = limit, {}, 0
        self.ring = ring = [None, None, None, None]
        ring[0] = ring[1] = ring

    def get(self, key, make):
        link = self.table.get(key)
        if link is not None:
            self.hits += 1
            link[0][1], link[1][0] = link[1], link[0]
        else:
            if len(self.table) >= self.limit:
                oldest = self.ring[1]
                self.ring[1], oldest[1][0] = oldest[1], self.ring
                del self.table[oldest[2]]
            link = self.table[key] = [None, None, key, make(key)]
        last = self.ring[0]
        last[1] = self.ring[0] = link
        link[0], link[1] = last, self.ring
        return link[3]


def structures(n):
    draw = Draw(n)
    trie, tree, cache, index = Trie(), Tree(), Cache(20), collections.defaultdict(set)
    total = 0
    for i in range(n):
        word = draw.word()
        trie.add(word)
        tree.add(draw.below(5000))
        total += cache.get(draw.below(30), lambda key: key * key)
        total += cache.get(word[:2], len)
        for k in range(len(word) - 1):
            index[word[k : k + 2]].add(i)
        total += (i in tree) + len(list(trie.under(word[:2]))) + len(index[word[:2]] & index[word[-2:]])
    return total, list(tree)[:3], cache.hits, sorted(trie.under("ba"))[:3], len(index)


def rolling(n):
    draw = Draw(n)
    text = "".join(draw.pick("abc") for _ in range(n * 3))
    counts = collections.Counter(text[i : i + 3] for i in range(len(text) - 2))
    seen, longest, start = {}, 0, 0
    for i, letter in enumerate(text + "defg"):
        if seen.get(letter, -1) >= start:
            start = seen[letter] + 1
        seen[letter] = i
        longest = max(longest, i - start + 1)
    heap = [[count, [letter, ""]] for letter, count in sorted(collections.Counter(text).items())]
    while len(heap) > 1:
        low, high = heapq.heappop(heap), heapq.heappop(heap)
        for pair in low[1:]:
            pair[1] = "0" + pair[1]
        for pair in high[1:]:
            pair[1] = "1" + pair[1]
        heapq.heappush(heap, [low[0] + high[0]] + low[1:] + high[1:])
    codes = dict(heap[0][1:])
    return counts.most_common(1)[0][1], longest, len("".join(codes[letter] for letter in text))


def quick(items):
    if len(items) < 2:
        return items
    pivot = items[len(items) // 2]
    return quick([x for x in items if x < pivot]) + [x for x in items if x == pivot] + quick([x for x in items if x > pivot])


def merge(items):
    if len(items) < 2:
        return items
    left, right = merge(items[: len(items) // 2]), merge(items[len(items) // 2 :])
    out, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            out.append(left[i])
            i += 1
        else:
            out.append(right[j])
            j += 1
    return out + left[i:] + right[j:]


def sorts(n):
    draw = Draw(n)
    numbers = [draw.below(9999) for _ in range(n)]
    bubbled = numbers[: n // 6]
    for end in range(len(bubbled) - 1, 0, -1):
        for i in range(end):
            if bubbled[i] > bubbled[i + 1]:
                bubbled[i], bubbled[i + 1] = bubbled[i + 1], bubbled[i]
    return quick(numbers) == merge(numbers) == sorted(numbers), bubbled[:2]


def run():
    results = []
    for n in range(10, 180, 2):
        results += [graphs(n), programs(n), structures(n), rolling(n), sorts(n * 2)]
    return results
