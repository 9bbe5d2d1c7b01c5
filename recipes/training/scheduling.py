"""Systems of objects that call each other: a task scheduler, an event simulation, constraints, rays, a bank, observers."""

import collections
import heapq
import math

from lcg import Draw


class Packet:
    def __init__(self, link, ident, kind):
        self.link, self.ident, self.kind = link, ident, kind
        self.datum, self.data = 0, [0] * 4

    def append_to(self, packets):
        self.link = None
        if packets is None:
            return self
        last = packets
        while last.link is not None:
            last = last.link
        last.link = self
        return packets


class Task:
    def __init__(self, system, ident, priority, packets=None):
        self.system, self.ident, self.priority, self.packets = system, ident, priority, packets
        self.held, self.waiting, self.pending = False, packets is None, packets is not None
        system.add(self)

    def receive(self, packet):
        self.packets = packet.append_to(self.packets)
        self.pending = True
        return self

    def runnable(self):
        return not self.held and (self.pending or not self.waiting)

    def run(self):
        packet = None
        if self.waiting and self.packets is not None or self.pending and self.packets is not None:
            packet, self.packets = self.packets, self.packets.link
            self.pending = self.packets is not None
        self.waiting = False
        return self.step(packet)

    def step(self, packet):
        raise NotImplementedError

    def wait(self):
        self.waiting = True


class Idle(Task):
    count, control = 0, 1

    def step(self, packet):
        self.count += 1
        if self.control & 1:
            self.control = self.control // 2 ^ 0xD008
            self.system.release(2)
        else:
            self.control //= 2
            self.system.release(3)


class Worker(Task):
    letter = 0

    def step(self, packet):
        if packet is None:
            return self.wait()
        packet.ident = 2 if self.letter & 1 else 3
        for i in range(4):
            self.letter = self.letter % 26 + 1
            packet.data[i] = 64 + self.letter
        packet.datum = 0
        self.system.send(packet)


class Device(Task):
    kept = None

    def step(self, packet):
        if packet is None:
            if self.kept is None:
                return self.wait()
            kept, self.kept = self.kept, None
            kept.datum += 1
            kept.ident = 1
            return self.system.send(kept)
        if self.kept is not None:
            self.kept.ident = 1
            self.system.send(self.kept)
        self.kept = packet
        self.held = True


class System:
    def __init__(self):
        self.tasks, self.by_ident, self.sent = [], {}, 0

    def add(self, task):
        self.tasks.append(task)
        self.tasks.sort(key=lambda t: -t.priority)
        self.by_ident[task.ident] = task

    def release(self, ident):
        self.by_ident[ident].held = False

    def send(self, packet):
        self.sent += 1
        packet.link = None
        self.by_ident[packet.ident].receive(packet)

    def run(self, steps):
        while steps:
            steps -= 1
            for task in self.tasks:
                if task.runnable():
                    task.run()
                    break


def scheduled(n):
    system = System()
    Idle(system, 0, 0, Packet(None, 0, 0))
    Worker(system, 1, 100, Packet(Packet(None, 1, 1), 1, 1))
    Device(system, 2, 200)
    Device(system, 3, 300)
    system.run(n)
    return system.sent, system.by_ident[0].count, system.by_ident[1].letter


class Event:
    __slots__ = ("time", "order", "action", "args")
    made = 0

    def __init__(self, time, action, *args):
        Event.made += 1
        self.time, self.order, self.action, self.args = time, Event.made, action, args

    def __lt__(self, other):
        return (self.time, self.order) < (other.time, other.order)


class Shop:
    def __init__(self, tills, seed):
        self.free, self.queue, self.events, self.draw = tills, collections.deque(), [], Draw(seed)
        self.now, self.served, self.waited = 0.0, 0, 0.0

    def after(self, delay, action, *args):
        heapq.heappush(self.events, Event(self.now + delay, action, *args))

    def arrive(self, left):
        self.queue.append(self.now)
        self.serve()
        if left:
            self.after(self.draw.unit() * 2, self.arrive, left - 1)

    def serve(self):
        if self.free and self.queue:
            self.free -= 1
            self.waited += self.now - self.queue.popleft()
            self.after(0.5 + self.draw.unit() * 3, self.leave)

    def leave(self):
        self.free += 1
        self.served += 1
        self.serve()

    def run(self, customers):
        self.after(0, self.arrive, customers)
        while self.events:
            event = heapq.heappop(self.events)
            self.now = event.time
            event.action(*event.args)
        return self.served, round(self.waited, 6)


class Cell:
    """A cell of a spreadsheet: computes when asked, forgets when one that it reads changes."""

    def __init__(self, value=None, rule=None, reads=()):
        self._value, self.rule, self.reads, self.readers = value, rule, reads, []
        for cell in reads:
            cell.readers.append(self)

    @property
    def value(self):
        if self._value is None:
            self._value = self.rule(*[cell.value for cell in self.reads])
        return self._value

    @value.setter
    def value(self, value):
        self._value = value
        for reader in self.readers:
            reader.forget()

    def forget(self):
        if self._value is not None:
            self._value = None
            for reader in self.readers:
                reader.forget()


def sheet(n):
    cells = [Cell(i) for i in range(4)]
    for i in range(20):
        cells.append(Cell(rule=lambda a, b: a + b & 0xFFF, reads=(cells[-1], cells[-4])))
    total = 0
    for i in range(n):
        cells[i & 3].value = i
        total += cells[-1].value + cells[10].value
    return total


class Ray:
    def __init__(self, origin, direction):
        self.origin, self.direction = origin, direction


class Sphere:
    def __init__(self, center, radius, color):
        self.center, self.radius, self.color = center, radius, color

    def hit(self, ray):
        offset = [c - o for c, o in zip(self.center, ray.origin)]
        along = sum(a * b for a, b in zip(offset, ray.direction))
        gap = self.radius * self.radius - sum(a * a for a in offset) + along * along
        return along - math.sqrt(gap) if gap > 0 else None


def rays(n):
    scene = [Sphere((i - 1.5, i % 2 - 0.5, 4.0 + i), 0.9, "rgby"[i]) for i in range(4)]
    picture = []
    for y in range(n):
        line = ""
        for x in range(n):
            dx, dy = x * 2.0 / n - 1.0, y * 2.0 / n - 1.0
            size = math.sqrt(dx * dx + dy * dy + 1.0)
            ray = Ray((0.0, 0.0, 0.0), (dx / size, dy / size, 1.0 / size))
            hits = [(distance, s.color) for s in scene if (distance := s.hit(ray)) is not None]
            line += min(hits)[1] if hits else "."
        picture.append(line)
    return picture[n // 2]


class Signal:
    def __init__(self):
        self.handlers = {}

    def on(self, name, handler):
        self.handlers.setdefault(name, []).append(handler)
        return handler

    def emit(self, name, *args, **kwargs):
        return [handler(*args, **kwargs) for handler in self.handlers.get(name, ())]


class Bank:
    def __init__(self, signal):
        self.balances, self.history = collections.defaultdict(int), []
        signal.on("move", self.move)
        signal.on("move", lambda source, target, amount, **more: self.history.append((source, target, amount)))
        signal.on("close", self.close)

    def move(self, source, target, amount, fee=0):
        if amount <= 0:
            raise ValueError(amount)
        self.balances[source] -= amount + fee
        self.balances[target] += amount
        return self.balances[source]

    def close(self):
        return {name: balance for name, balance in sorted(self.balances.items()) if balance}


def banking(n):
    signal, draw = Signal(), Draw(n)
    bank, refused = Bank(signal), 0
    for i in range(n):
        try:
            signal.emit("move", "a%d" % draw.below(5), "b%d" % draw.below(5), draw.below(90) - 5, fee=i % 2)
        except ValueError:
            refused += 1
    return refused, len(bank.history), signal.emit("close")


def run():
    results = []
    for n in range(20, 400, 6):
        results += [scheduled(n * 8), Shop(3, n).run(n), sheet(n // 2), rays(n // 16 + 2), banking(n)]
    return results
