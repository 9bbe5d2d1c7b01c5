"""Bodies that pull each other, step by step, in plain floats; the bodies are invented."""
import math


class Body:
    def __init__(self, mass, position, velocity):
        self.mass = mass
        self.x, self.y, self.z = position
        self.vx, self.vy, self.vz = velocity


def system():
    bodies = [Body(1000.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))]
    for i in range(1, 6):
        angle, distance = 1.3 * i, 4.0 + 3.1 * i
        speed = math.sqrt(1000.0 / distance)
        bodies.append(Body(
            0.4 * i,
            (distance * math.cos(angle), distance * math.sin(angle), 0.05 * i),
            (-speed * math.sin(angle), speed * math.cos(angle), 0.01 * i)))
    return bodies


def energy(bodies):
    total = 0.0
    for i, a in enumerate(bodies):
        total += 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz)
        for b in bodies[i + 1:]:
            total -= a.mass * b.mass / math.dist((a.x, a.y, a.z), (b.x, b.y, b.z))
    return total


def advance(bodies, pairs, step):
    for a, b in pairs:
        dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
        squared = dx * dx + dy * dy + dz * dz
        pull = step / (squared * math.sqrt(squared))
        toward_b, toward_a = b.mass * pull, a.mass * pull
        a.vx -= dx * toward_b
        a.vy -= dy * toward_b
        a.vz -= dz * toward_b
        b.vx += dx * toward_a
        b.vy += dy * toward_a
        b.vz += dz * toward_a
    for body in bodies:
        body.x += step * body.vx
        body.y += step * body.vy
        body.z += step * body.vz


def run():
    bodies = system()
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
    before = energy(bodies)
    for _ in range(55000):
        advance(bodies, pairs, 0.0001)
    return "%.6f %.6f" % (before, energy(bodies))
