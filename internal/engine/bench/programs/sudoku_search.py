"""Search by trial and return: sudoku with candidate sets, queens, exact sums, word squares."""
from functools import lru_cache

PUZZLES = [
    "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79",
    "1....7.9..3..2...8..96..5....53..9...1..8...26....4...3......1..4......7..7...3..",
    "4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......",
]
CELLS = [r + c for r in "ABCDEFGHI" for c in "123456789"]
ROWS = [[r + c for c in "123456789"] for r in "ABCDEFGHI"]
COLUMNS = [[r + c for r in "ABCDEFGHI"] for c in "123456789"]
BOXES = [[r + c for r in rows for c in columns] for rows in ("ABC", "DEF", "GHI") for columns in ("123", "456", "789")]
UNITS = {cell: [unit for unit in ROWS + COLUMNS + BOXES if cell in unit] for cell in CELLS}
PEERS = {cell: set().union(*UNITS[cell]) - {cell} for cell in CELLS}


class Contradiction(Exception):
    pass


def assign(board, cell, digit):
    for other in board[cell].replace(digit, ""):
        eliminate(board, cell, other)


def eliminate(board, cell, digit):
    if digit not in board[cell]:
        return
    board[cell] = board[cell].replace(digit, "")
    if not board[cell]:
        raise Contradiction(cell)
    if len(board[cell]) == 1:
        for peer in PEERS[cell]:
            eliminate(board, peer, board[cell])
    for unit in UNITS[cell]:
        places = [place for place in unit if digit in board[place]]
        if not places:
            raise Contradiction(digit)
        if len(places) == 1 and len(board[places[0]]) > 1:
            assign(board, places[0], digit)


def solve(board):
    open_cells = [cell for cell in CELLS if len(board[cell]) > 1]
    if not open_cells:
        return board
    cell = min(open_cells, key=lambda c: (len(board[c]), c))
    for digit in board[cell]:
        trial = dict(board)
        try:
            assign(trial, cell, digit)
            return solve(trial)
        except Contradiction:
            continue
    raise Contradiction("no digit fits " + cell)


def sudoku(puzzle):
    board = dict.fromkeys(CELLS, "123456789")
    for cell, digit in zip(CELLS, puzzle):
        if digit != ".":
            assign(board, cell, digit)
    return "".join(solve(board)[cell] for cell in CELLS)


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    found, free = 0, ~(columns | left | right) & (1 << size) - 1
    while free:
        place = free & -free
        free ^= place
        found += queens(size, row + 1, columns | place, (left | place) << 1, (right | place) >> 1)
    return found


def ways(total, coins):
    @lru_cache(maxsize=None)
    def count(left, first):
        if left == 0:
            return 1
        return sum(count(left - coins[i], i) for i in range(first, len(coins)) if coins[i] <= left)
    return count(total, 0)


def knight(size, start):
    """A tour by Warnsdorff's rule, as far as it gets."""
    jumps = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]
    seen = {start}

    def onward(place):
        x, y = place
        return [(x + a, y + b) for a, b in jumps if 0 <= x + a < size and 0 <= y + b < size and (x + a, y + b) not in seen]
    while True:
        choices = onward(start)
        if not choices:
            return len(seen)
        start = min(choices, key=lambda place: (len(onward(place)), place))
        seen.add(start)


def run():
    answers = []
    for puzzle in PUZZLES:
        answers.append(sudoku(puzzle)[:12])
    return answers, queens(8), ways(900, (5, 10, 20, 25, 50, 100, 200)), knight(24, (3, 4))
