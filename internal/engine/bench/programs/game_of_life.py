"""Conway's life on sets of cells, and a rule-30 automaton on an integer's bits."""
from collections import Counter

GLIDER = ".O.\n..O\nOOO"
ACORN = ".O.....\n...O...\nOO..OOO"
GUN = """........................O...........
......................O.O...........
............OO......OO............OO
...........O...O....OO............OO
OO........O.....O...OO..............
OO........O...O.OO....O.O...........
..........O.....O.......O...........
...........O...O....................
............OO......................"""


def cells(picture, left=0, top=0):
    return {(left + x, top + y) for y, line in enumerate(picture.splitlines()) for x, c in enumerate(line) if c == "O"}


def neighbours(cell):
    x, y = cell
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            if dx or dy:
                yield x + dx, y + dy


def step(alive):
    counts = Counter(near for cell in alive for near in neighbours(cell))
    return {cell for cell, count in counts.items() if count == 3 or count == 2 and cell in alive}


def picture(alive, width, height):
    return "\n".join("".join("O" if (x, y) in alive else "." for x in range(width)) for y in range(height))


def period(alive, most):
    seen = {}
    for turn in range(most):
        key = frozenset(alive)
        if key in seen:
            return turn - seen[key]
        seen[key] = turn
        alive = step(alive)
    return 0


def automaton(rule, size, turns):
    state, mask, ones = 1 << size // 2, (1 << size) - 1, 0
    for _ in range(turns):
        new = 0
        for place in range(size):
            pattern = state << 1 >> place & 7
            if rule >> pattern & 1:
                new |= 1 << place
        state = new & mask
        ones += bin(state).count("1")
    return ones


def run():
    acorn = cells(ACORN, 60, 40)
    for _ in range(450):
        acorn = step(acorn)
    gun = cells(GUN)
    for _ in range(300):
        gun = step(gun)
    shown = picture(gun, 60, 40)
    if cells(shown) != {(x, y) for x, y in gun if 0 <= x < 60 and 0 <= y < 40}:
        raise AssertionError("the picture lies")
    glider = cells(GLIDER)
    for _ in range(40):
        glider = step(glider)
    blinker = period(cells("OOO"), 9)
    return len(acorn), len(gun), sorted(glider)[0], shown.count("O"), blinker, automaton(30, 300, 500)
