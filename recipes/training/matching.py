"""Regular expressions: compilation of many patterns, match, search, sub with a function, tokenizers, backtracking, Unicode."""

import re
import sys

from wording import PROSE, TEXTS

LOG = "\n".join(
    '10.0.%d.%d - user%d [12/Mar/2020:10:%02d:07 +0000] "GET /page/%d?q=x&n=%d HTTP/1.1" %d %d'
    % (i % 7, i % 251, i % 9, i % 60, i, i, (200, 404, 500)[i % 3], i * 37)
    for i in range(60)
)
LINE = re.compile(r'(?P<host>[\d.]+) - (?P<user>\S+) \[(?P<when>[^\]]+)\] "(?P<verb>[A-Z]+) (?P<path>\S+) [^"]*" (?P<code>\d{3}) (?P<size>\d+)$', re.M)
SOURCE = 'def f(x, y=2.5):\n    # comment\n    return x ** 2 + "text\\n" * y  # 17\n' * 6
TOKENS = [
    ("number", r"\d+(?:\.\d*)?"),
    ("name", r"[^\W\d]\w*"),
    ("text", r'"(?:[^"\\]|\\.)*"'),
    ("comment", r"\#[^\n]*"),
    ("op", r"\*\*|[-+*/=<>!]=?|[(),:]"),
    ("line", r"\n"),
    ("blank", r"[ \t]+"),
]
MASTER = re.compile("|".join("(?P<%s>%s)" % pair for pair in TOKENS))
PATTERNS = [
    r"\bthe\b", r"[A-Z]\w+", r"(\w+)\s+(\w+)", r"\d+\.\d+", r"^The.*quick", r"z\w*a", r"(?:a|e|i|o|u){2}",
    r"(?i)THE|BOX|FOX", r"[^aeiou\s]{3,}", r"(?<=judge )my", r"quick(?! daft)", r"\w+@\w+\.com", r"(\w)\w*\1",
    r".*?(\d+)", r"(?P<h>\d\d):(?P<m>\d\d)", r"(a+)+b", r"\s*[;,.]\s*", r"(?x) v o w \s* : ", r"x*y?z{1,2}", r"(?s)T.+$",
]
EMAIL = r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z]{2,})+"
URL = r"(https?)://([^/:\s]+)(?::(\d+))?(/[^?#\s]*)?(?:\?([^#\s]*))?(?:#(\S*))?"


def compiled(n):
    total = 0
    for i in range(n):
        for pattern in PATTERNS:
            total += re.compile("%s(?:%d)?" % (pattern, i) if "(?x" not in pattern else pattern).groups
        re.purge()
    return total


def searched(n):
    found = []
    programs = [re.compile(pattern) for pattern in PATTERNS]
    for i in range(n):
        for program in programs:
            match = program.search(PROSE)
            found.append(match.span() if match else None)
            found.append(len(program.findall(PROSE, i % 5)))
            match = program.match(PROSE) or program.fullmatch(PROSE[4:9])
            found.append(match.group() if match else "")
        found = found[-9:]
    return found


def parsed_log(n):
    total, codes = 0, {}
    for _ in range(n):
        for match in LINE.finditer(LOG):
            fields = match.groupdict()
            codes[fields["code"]] = codes.get(fields["code"], 0) + 1
            total += int(match["size"]) + match.start("path") + len(match.group("host", "user"))
        for line in LOG.splitlines()[:20]:
            match = re.match(r"(\d+)\.(\d+)\.(\d+)\.(\d+)", line)
            total += sum(map(int, match.groups()))
    return total, codes


def tokenized(n):
    kinds = {}
    for _ in range(n):
        for match in MASTER.finditer(SOURCE):
            kinds[match.lastgroup] = kinds.get(match.lastgroup, 0) + len(match.group())
        scanner = re.compile(r"\s*(?:(\w+)|(.))").scanner(SOURCE)
        while match := scanner.match():
            kinds[match.lastindex] = kinds.get(match.lastindex, 0) + 1
    return kinds


def substituted(n):
    size = 0
    for i in range(n):
        size += len(re.sub(r"\w+", lambda m: m.group().title(), PROSE)) + len(re.sub("[aeiou]", "", PROSE))
        size += len(re.sub(r"(\w+) (\w+)", r"\2 \g<1>", PROSE)) + re.subn(r"\s+", " ", LOG[:400], count=9 + i)[1]
        size += len(re.sub(r"([&<>\"])", lambda m: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(m[0], "?"), "<a href=\"x\">&b</a>"))
        size += len(re.split(r"[,;.:]\s*", PROSE)) + len(re.split(r"(\d+)", LOG[:300])) + len(re.escape("a.b*c[%d]" % i))
    return size


def unicode_and_bytes(n):
    size = 0
    for i in range(n):
        for text in TEXTS:
            size += len(re.findall(r"\w+", text)) + len(re.findall(r"[а-яё]+", text, re.I)) + len(re.findall("[\u3040-\u9fff]", text))
            size += len(re.sub(r"[^\w\s]", "", text)) + len(re.findall(rb"[\x80-\xff]+", text.encode()))
            size += len(re.findall(r"(?a)\w", text)) + bool(re.search("ß|SS", text, re.IGNORECASE))
        size += len(re.findall(EMAIL, "mail a.b@example.org or x%d@sub.host.net, not @this" % i))
        size += len(re.match(URL, "http://host.example:80%02d/a/b?q=%d#top" % (i % 99, i)).groups())
    return size


def backtracking(n):
    hits = 0
    for i in range(n):
        hits += bool(re.match(r"(a|ab)(c|bcd)(d*)$", "abcd")) + bool(re.match(r"(x+x+)+y", "x" * (6 + i % 5)))
        hits += bool(re.search(r"<(\w+)[^>]*>(.*?)</\1>", "<p>one <b>two</b> <i>three</p>"))
        hits += len(re.findall(r'"((?:\\.|[^"\\])*)"', r'say "a\"b" and "c" or "' * 4)) + bool(re.match(r"(?:.*,){5}x", "a,b,c,d,e,f,x"))
        hits += len(re.findall(r"(?=(aba))", "abababa" * 5)) + len(re.findall(r"(\d{1,3})(?=(?:\d{3})+$)", "12345678901"))
        if sys.version_info >= (3, 11):
            hits += bool(re.match(r"(?>a+)b|a++c", "aaac")) + bool(re.match(r"\d*+x", "123"))
    return hits


def run():
    results = []
    for n in range(2, 20):
        results += [compiled(n // 3 + 1), searched(n * 3), parsed_log(n * 2), tokenized(n * 2), substituted(n * 2), unicode_and_bytes(n * 2), backtracking(n * 8)]
    return results
