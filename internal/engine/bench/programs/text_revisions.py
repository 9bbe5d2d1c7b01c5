"""Revisions of a text: wrapped, compared, patched; spelling is corrected by edit distance."""
import difflib
import random
import textwrap
from functools import lru_cache

WORDS = """the river carries boats past quiet mills while children count white stones along its bank
and old men talk about winters when ice held whole markets until spring broke every bridge""".split()


def write(sentences, seed):
    rng = random.Random(seed)
    text = []
    for number in range(sentences):
        words = rng.choices(WORDS, k=rng.randint(4, 14))
        text.append(" ".join(words).capitalize() + (".\n\n" if number % 6 == 5 else ". "))
    return "".join(text)


def revise(lines, seed):
    rng = random.Random(seed)
    revised = []
    for line in lines:
        luck = rng.random()
        if luck < 0.06:
            continue
        if luck < 0.14:
            line = line.replace("the", "that").replace("old", "very old")
        revised.append(line)
        if luck > 0.95:
            revised.append("a new line %d" % len(revised))
    return revised


def patch(delta):
    return list(difflib.restore(delta, 2))


def distance(a, b):
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        now = [i]
        for j, y in enumerate(b, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (x != y)))
        before = now
    return before[-1]


@lru_cache(maxsize=None)
def common(a, b):
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + common(a[1:], b[1:])
    return max(common(a[1:], b), common(a, b[1:]))


def correct(word, vocabulary):
    return min(vocabulary, key=lambda known: (distance(word, known), known))


def run():
    text = write(190, 8)
    lines = []
    for paragraph in text.split("\n\n"):
        lines += textwrap.wrap(paragraph, 58, initial_indent="  ", break_long_words=False) + [""]
    revised = revise(lines, 4)
    checksum = sum(len(line) for line in difflib.unified_diff(lines, revised, lineterm=""))
    delta = list(difflib.ndiff(lines[:85], revised[:85]))
    if patch(delta) != revised[:85]:
        raise AssertionError("the patch does not apply")
    matcher = difflib.SequenceMatcher(None, text[:2300], "\n".join(revised)[:2300], autojunk=False)
    checksum += round(matcher.ratio() * 10000) + len(matcher.get_opcodes())
    vocabulary = sorted(set(WORDS) | {word + "s" for word in WORDS})
    for number, word in enumerate(vocabulary):
        typo = word[:number % 4] + "x" + word[number % 4 + number % 2:]
        checksum += len(correct(typo, vocabulary)) + len(difflib.get_close_matches(typo, vocabulary, 2))
    common.cache_clear()
    checksum += sum(common(a, b) for a in vocabulary[::3] for b in vocabulary[::4])
    for width in (20, 40, 60):
        checksum += len(textwrap.fill(textwrap.dedent(textwrap.indent(text, "    ")), width)) + len(textwrap.shorten(text, width))
    return checksum
