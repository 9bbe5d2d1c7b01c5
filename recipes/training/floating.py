"""Floats and complex numbers: bodies, matrices, spectra, Mandelbrot, integration, formatting and parsing, without libm."""

import array
import math

from lcg import Draw


class Body:
    def __init__(self, position, speed, mass):
        self.x, self.y, self.z = position
        self.vx, self.vy, self.vz = speed
        self.mass = mass


def bodies():
    return [
        Body((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 39.5),
        Body((4.8, -1.2, -0.1), (0.6, 2.8, -0.02), 0.04),
        Body((8.3, 4.1, -0.4), (-1.0, 1.8, 0.01), 0.01),
        Body((12.9, -15.1, -0.2), (1.1, 0.9, -0.01), 0.002),
    ]


def advance(system, dt, steps):
    pairs = [(a, b) for i, a in enumerate(system) for b in system[i + 1 :]]
    for _ in range(steps):
        for a, b in pairs:
            dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
            square = dx * dx + dy * dy + dz * dz
            pull = dt / (square * math.sqrt(square))
            push = b.mass * pull
            a.vx -= dx * push
            a.vy -= dy * push
            a.vz -= dz * push
            push = a.mass * pull
            b.vx += dx * push
            b.vy += dy * push
            b.vz += dz * push
        for body in system:
            body.x += dt * body.vx
            body.y += dt * body.vy
            body.z += dt * body.vz
    return sum(0.5 * b.mass * (b.vx * b.vx + b.vy * b.vy + b.vz * b.vz) for b in system)


def listed_bodies(steps):
    system = [([i * 1.5, i * 0.5 - 1, 0.25 * i], [0.0, 0.1 * i, 0.0], 1.0 / (i + 1)) for i in range(4)]
    for _ in range(steps):
        for i, ([x1, y1, z1], v1, m1) in enumerate(system):
            for [x2, y2, z2], v2, m2 in system[i + 1 :]:
                dx, dy, dz = x1 - x2, y1 - y2, z1 - z2
                pull = 0.01 / (dx * dx + dy * dy + dz * dz + 0.5)
                v1[0] -= dx * m2 * pull
                v1[1] -= dy * m2 * pull
                v2[0] += dx * m1 * pull
                v2[2] += dz * m1 * pull
        for r, (vx, vy, vz), m in system:
            r[0] += 0.01 * vx
            r[1] += 0.01 * vy
            r[2] += 0.01 * vz
    return [round(x, 9) for r, _, _ in system for x in r]


def spectral(n):
    def entry(i, j):
        return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)

    def times(v):
        return [sum(entry(i, j) * v[j] for j in range(n)) for i in range(n)]

    def transposed(v):
        return [sum([entry(j, i) * v[j] for j in range(n)]) for i in range(n)]

    u = v = [1.0] * n
    for _ in range(2):
        v = transposed(times(u))
        u = transposed(times(v))
    return math.sqrt(sum(a * b for a, b in zip(u, v)) / sum(b * b for b in v))


def solve(n):
    draw = Draw(n)
    rows = [[draw.unit() + (4.0 if i == j else 0.0) for j in range(n + 1)] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            for c in range(i, n + 1):
                rows[r][c] -= factor * rows[i][c]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - math.fsum(rows[i][j] * x[j] for j in range(i + 1, n))) / rows[i][i]
    return x[:3]


def multiply(n):
    a = [[float(i * j % 7) for j in range(n)] for i in range(n)]
    b = [[i / (j + 1) for j in range(n)] for i in range(n)]
    columns = list(zip(*b))
    c = [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]
    d = [array.array("d", [0.0]) * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            s = 0.0
            for k in range(n):
                s += a[i][k] * b[k][j]
            d[i][j] = s
    return sum(map(sum, c)), d[1][1]


def mandelbrot(n):
    inside = 0
    for row in range(n):
        for column in range(n):
            c = complex(column * 3.0 / n - 2.0, row * 2.0 / n - 1.0)
            z = 0j
            for _ in range(30):
                z = z * z + c
                if z.real * z.real + z.imag * z.imag > 4.0:
                    break
            else:
                inside += 1
    return inside


def julia(n):
    counts = []
    for row in range(n):
        y0 = row / n * 2.0 - 1.0
        for column in range(n):
            x, y, k = column / n * 3.0 - 1.5, y0, 0
            while x * x + y * y <= 4.0 and k < 30:
                x, y = x * x - y * y - 0.7, 2.0 * x * y + 0.27
                k += 1
            counts.append(k)
    return sum(counts)


def integrate(n):
    def simpson(f, a, b):
        h = (b - a) / n
        return h / 3 * (f(a) + f(b) + sum((4 if i & 1 else 2) * f(a + i * h) for i in range(1, n)))

    def root(f, low, high):
        while high - low > 1e-9:
            middle = (low + high) / 2
            if f(low) * f(middle) <= 0:
                high = middle
            else:
                low = middle
        return low

    def series(x):
        term = total = 1.0
        for k in range(1, 20):
            term *= x / k
            total += term
        return total

    return simpson(lambda x: x * x / (1 + x), 0, 2), root(lambda x: x * x * x - x - 2, 1, 2), series(1.5), simpson(math.sqrt, 0, 4)


def complexes(n):
    total = 0j
    for i in range(1, n):
        z = complex(i, -i) / (1 + 2j)
        total += z * z.conjugate() - 3 * z + (z == total) + 1.5
    signal = [complex(i % 5, 0) for i in range(16)]
    turn = [1, 1j, -1, -1j]
    spectrum = [sum(s * turn[k * i % 4] for i, s in enumerate(signal)) for k in range(4)]
    return str(total), spectrum, repr(-1.5j), complex("1+2j")


def texts(n):
    draw = Draw(n)
    size = 0
    for i in range(n):
        value = (draw.unit() - 0.5) * 10 ** (i % 12)
        text = repr(value)
        size += len(text) + (float(text) == value) + len("%.3f" % value) + len(f"{value:e}") + len(str(round(value, 2)))
        size += int(value) % 7 + math.floor(value) % 5 + math.ceil(value) % 3 + int(value // 1) % 3 + int(value % 7) + value.is_integer()
        size += len(value.hex()) + (float.fromhex(value.hex()) == value) + len(str(value.as_integer_ratio())) + math.isfinite(value)
        size += (float("inf") > value) + (min(value, 2, 3.5) == value) + len(format(value, ",.1f")) + hash(value) % 3
        size += round(value) % 3 + math.trunc(math.copysign(value, -1)) % 3 + math.frexp(value)[1] + int(math.fabs(value)) % 2
    return size


def neurons(n):
    draw = Draw(n)
    weights = [[draw.unit() - 0.5 for _ in range(6)] for _ in range(5)]
    error = 0.0
    for _ in range(n):
        inputs = [draw.unit() for _ in range(6)]
        outputs = [max(0.0, sum(w * x for w, x in zip(row, inputs))) for row in weights]
        wanted = sum(inputs) / 6
        for row, out in zip(weights, outputs):
            delta = wanted - out
            error = 0.99 * error + 0.01 * abs(delta)
            for j, x in enumerate(inputs):
                row[j] += 0.05 * delta * x
    return round(error, 9)


def run():
    results = []
    for n in range(6, 40):
        results += [advance(bodies(), 0.01, n * 4), listed_bodies(n * 3), spectral(n), solve(n), multiply(n), mandelbrot(n), julia(n)]
        results += [integrate(n * 4), complexes(n * 9), texts(n * 9), neurons(n * 5)]
    return results
