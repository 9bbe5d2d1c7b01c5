"""Numbers that look random and are the same in every run: a linear congruential generator for the other topics."""


class Draw:
    """Draws numbers from the sequence that seed begins."""

    __slots__ = ("state",)

    def __init__(self, seed=1):
        self.state = seed & 0x7FFFFFFF

    def below(self, n):
        """Returns an integer in range(n), n up to 2**16."""
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 12) % n

    def unit(self):
        """Returns a float in [0, 1), exact in binary."""
        return self.below(65536) / 65536.0

    def pick(self, items):
        return items[self.below(len(items))]

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items

    def word(self, longest=9):
        """Returns a pronounceable word of 2 to longest letters."""
        size = 2 + self.below(longest - 1)
        return "".join(self.pick("aeiou" if i & 1 else "bcdfgklmnprstvz") for i in range(size))
