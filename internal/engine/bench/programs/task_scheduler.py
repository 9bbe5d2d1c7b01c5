"""A pretend operating system: tasks with priorities, mailboxes and devices, all of them objects."""
from collections import deque


class Packet:
    __slots__ = ("kind", "sender", "payload")

    def __init__(self, kind, sender, payload):
        self.kind = kind
        self.sender = sender
        self.payload = payload


class Task:
    def __init__(self, system, name, priority):
        self.system = system
        self.name = name
        self.priority = priority
        self.mailbox = deque()
        self.held = False
        self.turns = 0
        system.add(self)

    @property
    def ready(self):
        return not self.held and (bool(self.mailbox) or self.wants_turn())

    def wants_turn(self):
        return False

    def step(self):
        self.turns += 1
        self.handle(self.mailbox.popleft() if self.mailbox else None)

    def handle(self, packet):
        raise NotImplementedError


class Idle(Task):
    def __init__(self, system, name, turns):
        super().__init__(system, name, 0)
        self.left, self.state = turns, 1

    def wants_turn(self):
        return self.left > 0

    def handle(self, packet):
        self.left -= 1
        self.state = self.state >> 1 ^ 0xD008 if self.state & 1 else self.state >> 1
        self.system.release("disk" if self.state & 1 else "line")


class Producer(Task):
    def __init__(self, system, name, priority, devices):
        super().__init__(system, name, priority)
        self.devices, self.sent = devices, 0

    def wants_turn(self):
        return self.sent < 24000 and self.sent - self.system.done < 12

    def handle(self, packet):
        if packet is not None:
            self.system.finish(packet)
            return
        self.sent += 1
        device = self.devices[self.sent % len(self.devices)]
        self.system.send(device, Packet("work", self.name, [self.sent & 15, self.sent % 7]))


class Device(Task):
    def __init__(self, system, name, priority, cost):
        super().__init__(system, name, priority)
        self.cost = cost

    def handle(self, packet):
        packet.payload.append(sum(packet.payload) * self.cost % 251)
        if len(packet.payload) < 5:
            self.mailbox.append(packet)
            return
        self.system.send(packet.sender, Packet("answer", self.name, packet.payload))
        self.system.hold(self.name)


class Monitor(Task):
    def __init__(self, system, name, priority):
        super().__init__(system, name, priority)
        self.seen = {}

    def handle(self, packet):
        self.seen[packet.sender] = self.seen.get(packet.sender, 0) + len(packet.payload)


class System:
    def __init__(self):
        self.tasks, self.by_name = [], {}
        self.done = self.checksum = 0

    def add(self, task):
        self.by_name[task.name] = task
        self.tasks.append(task)
        self.tasks.sort(key=lambda each: -each.priority)

    def send(self, name, packet):
        self.by_name[name].mailbox.append(packet)

    def hold(self, name):
        self.by_name[name].held = True

    def release(self, name):
        self.by_name[name].held = False

    def finish(self, packet):
        self.done += 1
        self.checksum = (self.checksum * 17 + sum(packet.payload)) % 1000003
        if self.done % 4 == 0:
            self.send("monitor", packet)

    def run(self):
        while True:
            for task in self.tasks:
                if task.ready:
                    task.step()
                    break
            else:
                return


def run():
    system = System()
    Idle(system, "idle", 80000)
    Producer(system, "reader", 30, ["disk", "line"])
    Producer(system, "writer", 20, ["line", "disk", "disk"])
    Device(system, "disk", 50, 3)
    Device(system, "line", 40, 5)
    monitor = Monitor(system, "monitor", 10)
    system.run()
    return system.done, system.checksum, sorted(monitor.seen.items()), [task.turns for task in system.tasks]
