"""Strings built, cut, aligned, counted and translated, as report writers and small ciphers do it."""
import random
import string

VOWELS = str.maketrans("aeiou", "eioua")
CITIES = ["Aarhus", "Braga", "Cork", "D\u00fcren", "Evora", "F\u00fcrth", "Ghent", "\u0141\u00f3d\u017a", "\u6771\u4eac"]


def make_rows(count):
    rng = random.Random(3)
    return [
        "%s;%d;%.3f;%s" % (rng.choice(CITIES), rng.randrange(100000), rng.random() * 1000, "".join(rng.choices(string.ascii_letters + "  -", k=20)))
        for _ in range(count)
    ]


ROWS = make_rows(15000)


def table(rows):
    lines = []
    for number, row in enumerate(rows):
        city, amount, share, remark = row.split(";")
        remark = " ".join(remark.replace("-", " ").split()).capitalize()
        lines.append(f"{number:>5} | {city:<10} | {int(amount):>9,d} | {float(share):8.2f} | {remark[:12]:^14} |")
    width = max(map(len, lines))
    rule = "+" + "-" * (width - 2) + "+"
    return "\n".join([rule, *lines, rule])


def caesar(text, shift):
    out = ""
    for c in text:
        if c.isascii() and c.isalpha():
            base = ord("A") if c.isupper() else ord("a")
            out += chr((ord(c) - base + shift) % 26 + base)
        else:
            out += c
    return out


def run_lengths(text):
    parts, i = [], 0
    while i < len(text):
        j = i
        while j < len(text) and text[j] == text[i]:
            j += 1
        parts.append(text[i] if j - i == 1 else text[i] + str(j - i))
        i = j
    return "".join(parts)


def palindromes(text, least):
    found = 0
    for middle in range(len(text)):
        for low, high in ((middle - 1, middle + 1), (middle, middle + 1)):
            while low >= 0 and high < len(text) and text[low] == text[high]:
                low, high = low - 1, high + 1
            found += high - low - 1 >= least
    return found


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(map(str.title, tail))


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def run():
    text = table(ROWS)
    checksum = len(text) + text.count("|")
    secret = caesar(text[:160000], 7)
    checksum += caesar(secret, -7) == text[:160000]
    packed = run_lengths(text[:260000])
    checksum += len(packed) + palindromes(packed[:60000], 3)
    for line in text.splitlines()[1:-1]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        key = "_".join(cells[-2].lower().split())
        if snake(camel(key)) != key:
            checksum += 1
        checksum += len(line.translate(VOWELS).title()) + line.rfind("1") + line.upper().find("E")
        checksum += len(line.encode("utf-8")) + line.startswith("   1")
    return checksum
