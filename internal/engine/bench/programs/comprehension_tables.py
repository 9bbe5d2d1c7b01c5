"""Tables of sales, sliced with list, set, dict and generator expressions, nested and filtered."""
import random
from operator import itemgetter

REGIONS = ["north", "south", "east", "west"]


def make_sales(count):
    rng = random.Random(17)
    return [
        {"region": rng.choice(REGIONS), "day": rng.randrange(365), "shop": rng.randrange(24), "pieces": rng.randint(-2, 30), "price": rng.randint(100, 9900)}
        for _ in range(count)
    ]


SALES = make_sales(5000)


def pivot(sales):
    rows = sorted({s["shop"] for s in sales})
    columns = sorted({s["region"] for s in sales})
    cells = {(r, c): [s["pieces"] * s["price"] for s in sales if s["shop"] == r and s["region"] == c] for r in rows[:6] for c in columns}
    return [[sum(cells[r, c]) // (len(cells[r, c]) or 1) for c in columns] for r in rows[:6]]


def transpose(matrix):
    return [[row[i] for row in matrix] for i in range(len(matrix[0]))]


def multiply(a, b):
    columns = transpose(b)
    return [[sum(x * y for x, y in zip(row, column)) % 10007 for column in columns] for row in a]


def sieve(limit):
    composite = {m for n in range(2, int(limit ** 0.5) + 1) for m in range(n * n, limit, n)}
    return [n for n in range(2, limit) if n not in composite]


def triples(limit):
    squares = {n * n: n for n in range(1, limit)}
    return [(a, b, squares[a * a + b * b]) for a in range(1, limit) for b in range(a, limit) if a * a + b * b in squares]


def run():
    checksum = 0
    for turn in range(16):
        sales = [{**s, "pieces": s["pieces"] + turn} for s in SALES]
        sold = [s for s in sales if s["pieces"] > 0]
        weeks = {week: sum(s["pieces"] for s in sold if s["day"] // 7 == week) for week in range(0, 52, 4)}
        best = {region: max((s for s in sold if s["region"] == region), key=itemgetter("price"))["shop"] for region in REGIONS}
        flags = [any(s["price"] > 9800 for s in sold[i:i + 40]) and not all(s["pieces"] for s in sales[i:i + 40]) for i in range(0, len(sold), 40)]
        table = pivot(sold)
        square = multiply([[(i * j + turn) % 11 for j in range(36)] for i in range(36)], [[i ^ j for j in range(36)] for i in range(36)])
        shops = {s["shop"]: {t["day"] for t in sold[:300] if t["shop"] == s["shop"]} for s in sold[:120]}
        checksum += sum(weeks.values()) + sum(best.values()) + sum(flags) + sum(map(sum, transpose(table))) + sum(len(days) for days in shops.values())
        checksum += sum(cell for row in square for cell in row if cell % 3)
    return checksum + sum(sieve(120000)) + len(triples(400))
