"""A search index of dicts: words to places, counts, groups, merged and asked."""
import random
from collections import Counter, OrderedDict, defaultdict
from itertools import chain

SYLLABLES = ["ba", "ko", "ri", "tel", "mun", "sa", "por", "ge", "lin", "du", "fa", "xo"]


def make_documents(count):
    rng = random.Random(23)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(900)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    return {"doc-%d" % n: rng.choices(words, weights, k=90) for n in range(count)}


DOCUMENTS = make_documents(1600)


class Cache:
    """Keeps what was used last."""

    def __init__(self, size):
        self.size, self.items, self.hits = size, OrderedDict(), 0

    def get(self, key, make):
        if key in self.items:
            self.hits += 1
            self.items.move_to_end(key)
            return self.items[key]
        value = self.items[key] = make(key)
        if len(self.items) > self.size:
            self.items.popitem(last=False)
        return value


def build(documents):
    index = {}
    for name, words in documents.items():
        for place, word in enumerate(words):
            index.setdefault(word, {}).setdefault(name, []).append(place)
    return index


def near(index, a, b, distance):
    found = {}
    left, right = index.get(a, {}), index.get(b, {})
    for name in left.keys() & right.keys():
        pairs = sum(1 for i in left[name] for j in right[name] if 0 < j - i <= distance)
        if pairs:
            found[name] = pairs
    return found


def run():
    index = build(DOCUMENTS)
    frequency = Counter(chain.from_iterable(DOCUMENTS.values()))
    common = [word for word, _ in frequency.most_common(110)]
    by_letter = defaultdict(dict)
    for word, places in index.items():
        by_letter[word[0]][word] = len(places)
    cache = Cache(200)
    score = defaultdict(int)
    for i, a in enumerate(common):
        for b in common[i % 7::7]:
            key = (a, b) if a < b else (b, a)
            for name, pairs in cache.get(key, lambda pair: near(index, pair[0], pair[1], 5)).items():
                score[name] += pairs
    inverse = {}
    for word, count in frequency.items():
        inverse.setdefault(count, set()).add(word)
    merged = {}
    for letter in sorted(by_letter):
        merged = {**merged, **{w: c for w, c in by_letter[letter].items() if c > 3}}
    for word in list(merged):
        if len(word) % 2:
            del merged[word]
    best = sorted(score.items(), key=lambda item: (-item[1], item[0]))[:5]
    return best, cache.hits, len(inverse), sum(merged.values())
