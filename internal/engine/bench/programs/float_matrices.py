"""Linear algebra on lists of floats: elimination, power iteration, a heat plate, a fast Fourier transform."""
import cmath
import math


def hilbert_like(n):
    return [[1.0 / (i + j + 1) + (2.0 if i == j else 0.0) for j in range(n)] for i in range(n)]


def solve(matrix, right):
    n = len(matrix)
    rows = [row[:] + [value] for row, value in zip(matrix, right)]
    for column in range(n):
        pivot = max(range(column, n), key=lambda r: abs(rows[r][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column]
        for r in range(column + 1, n):
            row = rows[r]
            factor = row[column] / head[column]
            if factor:
                for c in range(column, n + 1):
                    row[c] -= factor * head[c]
    x = [0.0] * n
    for r in range(n - 1, -1, -1):
        row = rows[r]
        x[r] = (row[n] - sum(row[c] * x[c] for c in range(r + 1, n))) / row[r]
    return x


def largest_eigenvalue(matrix, turns):
    vector = [1.0] * len(matrix)
    value = 0.0
    for _ in range(turns):
        image = [sum(a * v for a, v in zip(row, vector)) for row in matrix]
        value = math.sqrt(sum(v * v for v in image))
        vector = [v / value for v in image]
    return value


def heat(size, turns):
    plate = [[0.0] * size for _ in range(size)]
    plate[0] = [100.0] * size
    for _ in range(turns):
        cooler = [row[:] for row in plate]
        for y in range(1, size - 1):
            above, here, below, out = plate[y - 1], plate[y], plate[y + 1], cooler[y]
            for x in range(1, size - 1):
                out[x] = here[x] + 0.2 * (above[x] + below[x] + here[x - 1] + here[x + 1] - 4.0 * here[x])
        plate = cooler
    return sum(map(sum, plate))


def fft(signal):
    n = len(signal)
    if n == 1:
        return signal
    even, odd = fft(signal[::2]), fft(signal[1::2])
    turned = [cmath.exp(-2j * math.pi * k / n) * odd[k] for k in range(n // 2)]
    return [e + t for e, t in zip(even, turned)] + [e - t for e, t in zip(even, turned)]


def run():
    matrix = hilbert_like(120)
    x = solve(matrix, [float(i % 7) for i in range(120)])
    spectrum = fft([complex(math.sin(k / 5), 0.1 * (k % 3)) for k in range(16384)])
    loudest = max(range(1, 8192), key=lambda k: abs(spectrum[k]))
    return "%.9f %.9f %.6f %d" % (sum(x), largest_eigenvalue(matrix, 150), heat(80, 170), loudest)
