"""Puzzles and games: queens, sudoku, life on sets and on rows, fannkuch, hanoi, a maze, cards, a pegboard."""

import collections
import itertools

from lcg import Draw

SUDOKU = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"


def queens(n):
    found = []

    def place(row, columns, rising, falling, board):
        if row == n:
            found.append(tuple(board))
            return
        for column in range(n):
            if column in columns or row + column in rising or row - column in falling:
                continue
            place(row + 1, columns | {column}, rising | {row + column}, falling | {row - column}, board + [column])

    place(0, frozenset(), frozenset(), frozenset(), [])
    return len(found), found[:1]


def queens_by_permutation(n):
    columns = range(n)
    return sum(1 for p in itertools.permutations(columns) if n == len({p[i] + i for i in columns}) == len({p[i] - i for i in columns}))


def sudoku(text):
    cells = [int(c) if c != "." else 0 for c in text]
    peers = [
        sorted({j for j in range(81) if j != i and (j // 9 == i // 9 or j % 9 == i % 9 or (j // 27, j % 9 // 3) == (i // 27, i % 9 // 3))})
        for i in range(81)
    ]
    steps = 0

    def options(i):
        used = {cells[j] for j in peers[i]}
        return [d for d in range(1, 10) if d not in used]

    def solve():
        nonlocal steps
        best = None
        for i in range(81):
            if not cells[i]:
                choice = options(i)
                if best is None or len(choice) < len(best[1]):
                    best = i, choice
                    if len(choice) < 2:
                        break
        if best is None:
            return True
        i, choice = best
        for digit in choice:
            steps += 1
            cells[i] = digit
            if solve():
                return True
        cells[i] = 0
        return False

    return solve(), steps, "".join(map(str, cells))


def life(n):
    alive = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2), (10, 10), (10, 11), (10, 12), (11, 11), (20, 5), (21, 5), (22, 6)}
    for _ in range(n):
        counts = collections.Counter((x + dx, y + dy) for x, y in alive for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy)
        alive = {cell for cell, count in counts.items() if count == 3 or (count == 2 and cell in alive)}
    return len(alive), min(alive), sum(x * 31 + y for x, y in alive)


def life_on_rows(n):
    width, height = 24, 16
    rows = [[(x * y + x) % 3 == 0 for x in range(width)] for y in range(height)]
    for _ in range(n):
        new = []
        for y in range(height):
            above, here, below = rows[y - 1], rows[y], rows[(y + 1) % height]
            row = []
            for x in range(width):
                l, r = x - 1, (x + 1) % width
                count = above[l] + above[x] + above[r] + here[l] + here[r] + below[l] + below[x] + below[r]
                row.append(count == 3 or count == 2 and here[x])
            new.append(row)
        rows = new
    return ["".join(".#"[c] for c in row) for row in rows[:2]]


def fannkuch(n):
    most, checksum, sign = 0, 0, 1
    for permutation in itertools.permutations(range(n)):
        line = list(permutation)
        flips = 0
        while first := line[0]:
            line[: first + 1] = line[first::-1]
            flips += 1
        most = max(most, flips)
        checksum += sign * flips
        sign = -sign
    return most, checksum


def hanoi(n):
    pegs = [list(range(n, 0, -1)), [], []]
    moves = 0

    def move(count, source, target, spare):
        nonlocal moves
        if count:
            move(count - 1, source, spare, target)
            pegs[target].append(pegs[source].pop())
            moves += 1
            move(count - 1, spare, target, source)

    move(n, 0, 2, 1)
    return moves, pegs[2][:3]


def maze(n):
    draw = Draw(n)
    grid = [["#"] * (2 * n + 1) for _ in range(2 * n + 1)]
    stack = [(1, 1)]
    grid[1][1] = " "
    while stack:
        x, y = stack[-1]
        ways = [(dx, dy) for dx, dy in ((2, 0), (-2, 0), (0, 2), (0, -2)) if 0 < x + dx < 2 * n and 0 < y + dy < 2 * n and grid[y + dy][x + dx] == "#"]
        if not ways:
            stack.pop()
            continue
        dx, dy = draw.pick(ways)
        grid[y + dy // 2][x + dx // 2] = grid[y + dy][x + dx] = " "
        stack.append((x + dx, y + dy))
    steps = {(1, 1): 0}
    queue = collections.deque(steps)
    while queue:
        x, y = at = queue.popleft()
        for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if near not in steps and grid[near[1]][near[0]] == " ":
                steps[near] = steps[at] + 1
                queue.append(near)
    return steps[2 * n - 1, 2 * n - 1], "".join(grid[1])


class Card:
    RANKS = "23456789TJQKA"

    def __init__(self, rank, suit):
        self.rank, self.suit = rank, suit

    def __lt__(self, other):
        return (self.rank, self.suit) < (other.rank, other.suit)

    def __str__(self):
        return self.RANKS[self.rank] + self.suit


def hand_kind(hand):
    ranks = collections.Counter(card.rank for card in hand)
    shape = sorted(ranks.values(), reverse=True)
    flush = len({card.suit for card in hand}) == 1
    straight = len(ranks) == 5 and max(ranks) - min(ranks) == 4
    if straight or flush:
        return "straight" if straight else "flush"
    return {(4, 1): "four", (3, 2): "full", (3, 1, 1): "three", (2, 2, 1): "pairs"}.get(tuple(shape), "pair" if shape[0] == 2 else "high")


def cards(n):
    draw = Draw(n)
    kinds = collections.defaultdict(int)
    for _ in range(n):
        deck = draw.shuffle([Card(rank, suit) for rank in range(13) for suit in "CDHS"])
        for k in range(0, 50, 5):
            kinds[hand_kind(deck[k : k + 5])] += 1
    return sorted(kinds.items()), " ".join(map(str, sorted(deck[:5])))


def run():
    results = []
    for k in range(120):
        n = 4 + k % 7
        results += [life(n * 3), life_on_rows(n), hanoi(n), maze(n), cards(n * 2)]
        if k % 3 == 0:
            results += [queens(4 + k % 4), queens_by_permutation(4 + k % 4 % 3), sudoku(SUDOKU[:: 1 - k % 2 * 2]), fannkuch(3 + k % 4)]
    return results
