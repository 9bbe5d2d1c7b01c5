"""Routes through a made-up country: shortest ways, spanning tree, topological order, components, flow."""
import random
from collections import deque
from heapq import heappop, heappush


def make_roads(towns, seed):
    rng = random.Random(seed)
    roads = {town: {} for town in range(towns)}
    for town in range(1, towns):
        for other in {rng.randrange(max(0, town - 30), town) for _ in range(3)}:
            roads[town][other] = roads[other][town] = rng.randint(1, 60)
    return roads


ROADS = make_roads(5000, 41)


def dijkstra(roads, start):
    distance, done, queue = {start: 0}, set(), [(0, start)]
    while queue:
        far, town = heappop(queue)
        if town in done:
            continue
        done.add(town)
        for other, length in roads[town].items():
            if other not in distance or far + length < distance[other]:
                distance[other] = far + length
                heappush(queue, (far + length, other))
    return distance


def hops(roads, start, goal):
    came, queue = {start: None}, deque([start])
    while queue:
        town = queue.popleft()
        if town == goal:
            break
        for other in roads[town]:
            if other not in came:
                came[other] = town
                queue.append(other)
    path = []
    while goal is not None:
        path.append(goal)
        goal = came[goal]
    return path[::-1]


class Sets:
    def __init__(self, size):
        self.parent = list(range(size))

    def find(self, item):
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def join(self, a, b):
        a, b = self.find(a), self.find(b)
        self.parent[a] = b
        return a != b


def spanning_tree(roads):
    edges = sorted((length, a, b) for a, others in roads.items() for b, length in others.items() if a < b)
    sets = Sets(len(roads))
    return sum(length for length, a, b in edges if sets.join(a, b))


def order(roads):
    waits = {town: sum(other < town for other in others) for town, others in roads.items()}
    ready = deque(sorted(town for town, count in waits.items() if not count))
    result = []
    while ready:
        town = ready.popleft()
        result.append(town)
        for other in roads[town]:
            if other > town:
                waits[other] -= 1
                if waits[other] == 0:
                    ready.append(other)
    return result


def flow(roads, source, sink):
    left = {a: dict(others) for a, others in roads.items()}
    total = 0
    for _ in range(8):
        path = hops({a: [b for b, room in others.items() if room] for a, others in left.items()}, source, sink)
        steps = list(zip(path, path[1:]))
        least = min(left[a][b] for a, b in steps)
        total += least
        for a, b in steps:
            left[a][b] -= least
            left[b][a] += least
    return total


def run():
    checksum = spanning_tree(ROADS)
    for start in range(0, 5000, 170):
        distance = dijkstra(ROADS, start)
        checksum += max(distance.values()) + sum(distance.values()) % 1009
        checksum += len(hops(ROADS, start, 4999 - start))
    for place, town in enumerate(order(ROADS)):
        checksum = (checksum * 3 + place * town) % 10000019
    return checksum, flow(ROADS, 2500, 4999)
