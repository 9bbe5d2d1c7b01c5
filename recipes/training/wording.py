"""Strings: every method, formatting of three kinds, encodings, Unicode of 1, 2 and 4 bytes, texts in memory, csv."""

import codecs
import csv
import difflib
import io
import string
import textwrap
import unicodedata

from lcg import Draw

PROSE = (
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs; how vexingly quick daft "
    "zebras jump! Sphinx of black quartz, judge my vow: 42 times, 3.14 per cent, at 10:30."
)
TEXTS = [PROSE, "Grüße aus Köln, mañana é já", "Привет, мир! Ελληνικά", "日本語の文章です。漢字", "emoji 😀 and 🚀 mixed ß", ""]


def search(n):
    total = 0
    for i in range(n):
        for text in TEXTS:
            total += text.find("o") + text.rfind("a") + text.count("e") + len(text.split()) + ("quick" in text)
            total += text.startswith("The") + text.endswith((".", "字")) + len(text.replace("a", "bb"))
            total += len(text.partition(",")[0]) + len(text.rpartition(" ")[2]) + len(text.splitlines())
            total += text[i % 9 : -1 : 2].count(" ") + len(text[::-1]) + (text == TEXTS[i % 6]) + (text < PROSE)
        total += PROSE.index("jump") + PROSE.find("zebras jump!", 20) + PROSE.find("absent needle")
    return total


def cases(n):
    size = 0
    for i in range(n):
        for text in TEXTS:
            size += len(text.upper()) + len(text.lower()) + len(text.title()) + len(text.swapcase())
            size += len(text.casefold()) + len(text.capitalize()) + text.isalpha() + text.isascii()
            word = text[i % 5 : i % 5 + 6]
            size += word.isdigit() + word.isidentifier() + word.isspace() + word.isupper() + word.islower()
            size += len(word.strip(" T")) + len(word.center(11, "*")) + len(word.ljust(9) + word.rjust(9)) + len(word.zfill(8))
            size += len(word.removeprefix("he")) + len(word.expandtabs()) + word.isalnum() + word.isprintable()
    return size


def join(n):
    draw = Draw(n)
    words = [draw.word() for _ in range(60)]
    size = 0
    for i in range(n):
        line = " ".join(words)
        size += len(line) + len(",".join(w.capitalize() for w in words[: i % 60]))
        grown = ""
        for w in words[: 10 + i % 9]:
            grown += w
            grown += ";"
        size += len(grown) + len("-" * 20) + len(grown + "é" + "日")
        key, _, value = "name = value".partition("=")
        size += len(key.strip() + value.strip())
        fields = "a,b,,c;d".replace(";", ",").split(",")
        size += len(fields) + len("x=1&y=2".split("&", 1)[0]) + len("  a b  ".rsplit(None, 1))
        size += sum(ord(c) for c in words[i % 60]) + len([c for c in line if c in "aeiou"])
        size += len({c: line.count(c) for c in "aeiou"}) + len("".join(reversed(words[0]))) + len("".join(sorted(line)))
    return size, words[:4]


def formats(n):
    out = []
    for i in range(n):
        name, value, flag = "item%d" % i, i / 7, i % 2 == 0
        out.append(f"{name}: {value:.3f} {i:>6d} {i:#x} {flag!r} {name!s:<10}|{name:^12}|{value:10.2e}|{i:,}")
        out.append("%s %5d %-8s %05.1f %r %x %%" % (name, i, name, value, value, i))
        out.append("%(name)s=%(value)d" % {"name": name, "value": i})
        out.append("{0} {1:+d} {key} {2[0]} {3.real}".format(name, i, [i], i, key="k"))
        out.append("{:>{width}.{digits}f}".format(value, width=12, digits=i % 5))
        out.append(str(i) + repr(name) + str(value) + str(flag) + str(None) + repr([i, name]) + str({"a": (1,)}))
        out.append(f"{i}" + f"{i % 10}{name}" + format(i, "08b") + format(value, "g") + f"{value:%}" + f"{i:_}")
        out.append(ascii(TEXTS[i % 6][:9]) + repr(TEXTS[i % 6][:9]) + f"{'é' * (i % 4):>5}")
    text = "\n".join(out)
    return len(text), out[:9]


def encodings(n):
    size = 0
    decoder = codecs.getincrementaldecoder("utf-8")
    for i in range(n):
        for text in TEXTS:
            data = text.encode("utf-8")
            size += len(data) + (data.decode() == text) + (text.encode("utf-16").decode("utf-16") == text)
            size += len(text.encode("latin-1", "replace").decode("latin-1")) + len(text.encode("ascii", "ignore"))
            size += len(text.encode("ascii", "xmlcharrefreplace")) + len(text.encode("unicode_escape")) + len(text.encode("cp1252", "replace"))
            size += len(data[1:-1].decode("utf-8", "replace")) + len(text.encode("utf-32-le")) + len(data.decode("ascii", "surrogateescape"))
            reader = decoder("replace")
            size += len("".join(reader.decode(data[k : k + 5]) for k in range(0, len(data), 5)))
    size += sum(len(unicodedata.normalize(form, text)) for text in TEXTS for form in ("NFC", "NFKD"))
    return size, unicodedata.name("é"), unicodedata.category("A"), codecs.encode("abc", "rot13")


def translations(n):
    size = 0
    vowels = str.maketrans("aeiou", "AEIOU", "xyz")
    wide = {ord("a"): "ä", ord("b"): None, ord("c"): 0x65E5}
    template = string.Template("Dear $name, you owe ${amount} to $who$$")
    for i in range(n):
        size += len(PROSE.translate(vowels)) + len(PROSE.translate(wide))
        size += len(template.substitute(name="A%d" % i, amount=i, who="me")) + len(template.safe_substitute(name=1))
        if i % 5 == 0:
            size += len(textwrap.fill(PROSE, 30 + i % 9, subsequent_indent="  ")) + len(textwrap.dedent("   a\n    b\n   c"))
            size += len(textwrap.shorten(PROSE, 40)) + len(string.capwords(PROSE)) + len(textwrap.indent("a\nb", "> "))
    return size


def streams(n):
    size = 0
    for i in range(n):
        out = io.StringIO()
        for j in range(20):
            out.write("line %d\n" % j)
        print("printed", i, sep=":", file=out)
        out.seek(0)
        size += sum(len(line) for line in out) + len(out.getvalue())
        raw = io.BytesIO()
        with io.TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=i % 2 == 0) as text:
            text.writelines(t + "\n" for t in TEXTS)
            text.flush()
            text.seek(0)
            size += len(text.readline()) + len(text.read(5)) + len(text.read())
        buffered = io.BufferedReader(io.BytesIO(PROSE.encode() * 9), 64)
        size += len(buffered.read(10)) + len(buffered.peek()) + len(buffered.readline()) + len(buffered.read())
    return size


def tables(n):
    rows = [["id", "name", "note"]] + [[i, "n%d" % i, 'say "hi", %d' % i if i % 3 else "plain"] for i in range(n)]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    back = list(csv.reader(io.StringIO(out.getvalue())))
    records = list(csv.DictReader(io.StringIO(out.getvalue())))
    tabbed = io.StringIO()
    writer = csv.DictWriter(tabbed, ["name", "id"], delimiter="\t", extrasaction="ignore", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(records)
    return len(back), records[-1]["note"], len(tabbed.getvalue())


def differences(n):
    old = [line + "." for line in PROSE.split()] * 2
    new = old[:5] + ["added"] + old[7:20] + ["changed"] + old[21:]
    result = [len(list(difflib.unified_diff(old, new, lineterm=""))) for _ in range(n)]
    ratio = difflib.SequenceMatcher(None, PROSE[:90], PROSE[10:80]).ratio()
    return result[0], round(ratio, 6), difflib.get_close_matches("appel", ["ape", "apple", "peach", "puppy"])


def run():
    results = []
    for n in range(3, 50):
        results += [search(n), cases(n), join(n), formats(n * 4), encodings(n), translations(n), streams(n), tables(n * 4), differences(n // 10 + 1)]
    return results[-9:]
