"""An access log is taken apart with regular expressions: matched, searched, split and rewritten."""
import random
import re
from collections import Counter

LINE = re.compile(
    r'^(?P<host>\d{1,3}(?:\.\d{1,3}){3}) \S+ (?P<user>\S+) \[(?P<when>[^\]]+)\] '
    r'"(?P<verb>GET|POST|PUT|DELETE) (?P<path>/[^ ?"]*)(?:\?(?P<query>[^ "]*))? HTTP/(?P<version>1\.[01]|2)" '
    r'(?P<status>\d{3}) (?P<size>\d+|-) "(?P<agent>[^"]*)"$')
TIME = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})")
PARAMETER = re.compile(r"([^&=]+)=([^&]*)")
NUMBER_PART = re.compile(r"/\d+(?=/|$)")
BROWSER = re.compile(r"\b(firefox|chrome|safari|curl)/(\d+)(?:\.\d+)*", re.IGNORECASE)
SECRET = re.compile(r"(?<=token=)[0-9a-f]+|(?<=password=)[^&]+")
WORDS = re.compile(r"\W+")
AGENTS = ["Mozilla/5.0 (X11; Linux) Firefox/118.0", "curl/7.88.1", "Mozilla/5.0 Chrome/119.0.1 Safari/537", "probe"]


def make_log(count):
    rng = random.Random(5)
    lines = []
    for i in range(count):
        path = rng.choice(["/", "/items/%d" % rng.randrange(500), "/users/%d/cart/%d" % (i % 40, i), "/static/app.js"])
        query = rng.choice(["", "?q=red+lamp&page=%d" % (i % 7), "?token=%x&x=1" % rng.getrandbits(48), "?user=a&password=hush!"])
        lines.append('10.%d.%d.%d - %s [%02d/Mar/2024:%02d:%02d:%02d +0100] "%s %s%s HTTP/%s" %d %s "%s"' % (
            i % 3, i % 200, rng.randrange(256), rng.choice(["-", "ann", "bob"]), i % 28 + 1, i % 24, i % 60, i % 59,
            rng.choice(["GET", "GET", "POST"]), path, query, rng.choice(["1.1", "2"]), rng.choice([200, 200, 304, 404, 500]),
            rng.choice(["-", str(rng.randrange(90000))]), rng.choice(AGENTS)))
        if i % 50 == 0:
            lines.append("!! truncated " + lines[-1][:40])
    return lines


LOG = make_log(29000)


def slug(text):
    return "-".join(word.lower() for word in WORDS.split(text) if word)


def run():
    statuses, routes, browsers, days, bad = Counter(), Counter(), Counter(), Counter(), 0
    size = masked = parameters = 0
    for line in LOG:
        match = LINE.match(line)
        if match is None:
            bad += 1
            continue
        record = match.groupdict()
        statuses[record["status"]] += 1
        routes[record["verb"], NUMBER_PART.sub("/:id", record["path"])] += 1
        if record["size"] != "-":
            size += int(record["size"])
        day, month, year, *clock = TIME.search(record["when"]).groups()
        days["%s-%s-%s" % (year, month, day)] += int(clock[0])
        if record["query"]:
            parameters += sum(len(value) for _, value in PARAMETER.findall(record["query"]))
            hidden, times = SECRET.subn("***", record["query"])
            masked += times * len(hidden)
        for found in BROWSER.finditer(record["agent"]):
            browsers[found.group(1).lower(), found.group(2)] += 1
        size += len(slug(record["agent"] + " " + record["path"]))
    return "%d %d %d %d %s %s %d" % (bad, size, masked, parameters, sorted(statuses.items()), sorted(browsers.items()), len(routes) + len(days))
