"""Parsers: Python's own (ast, compile, exec, tokenize), html, xml, ini, arguments, URLs, shell words, mail."""

import argparse
import ast
import configparser
import email.parser
import email.policy
import html
import html.parser
import io
import shlex
import sys
import tokenize
import urllib.parse
import xml.etree.ElementTree as ElementTree

SOURCE = '''
"""A module."""
import math as m
from os.path import join, split as cut

LIMIT: int = 10
table = {"a": 1, **{"b": 2}, "c": [x * 2 for x in range(5) if x % 2]}

@staticmethod
def area(w, h=2, *rest, unit="cm", **more) -> float:
    """Returns an area."""
    total = 0
    for i, (a, b) in enumerate(zip(w, rest)):
        if a < b <= LIMIT and not i:
            continue
        elif a is None or b in (1, 2):
            break
        total += a * b ** 2 - (a // b) % 3 << 1
    else:
        total = -total
    while total > 5:
        total -= 1
    return f"{total:>{h}} {unit!r} {w[0] if w else None}"

class Shape(Base, metaclass=Meta):
    sides = 4
    def __init__(self, *args):
        super().__init__(*args)
        self.args, self.kind = args, lambda x: x.y[1:2, ...]
    async def wait(self, other):
        async with other as o:
            async for item in o:
                yield await item
        try:
            raise ValueError("no") from None
        except (ValueError, KeyError) as error:
            del self.args
        finally:
            assert self, "yes"
        global LIMIT
        with open("f") as f, open("g"):
            pass
        if (n := len(self.kind)) > 0x1F or n != 1_000.5e3j:
            return
'''
MATCH = '''
def kind(value):
    match value:
        case 0 | 1:
            return "bit"
        case [x, y, *rest] if x == y:
            return "twins"
        case {"name": str(name), **more}:
            return name
        case (int() | float()) as number:
            return "number"
        case _:
            return "other"
'''
PAGE = """<!DOCTYPE html><html><head><title>T &amp; U</title></head><body class="x" id=y>
<!-- note --><p>One <b>two</b> &lt;three&gt; &eacute;<br/><a href="/a?b=1&amp;c=2">link</a>
<ul><li>1<li>2</ul><script>if (a < b) {}</script></body></html>""" * 3
XML = '<?xml version="1.0"?><shop xmlns:k="urn:k">%s</shop>' % "".join(
    '<item id="%d" k:kind="a"><name>Näme %d</name><price>%d.5</price><![CDATA[<raw>]]></item>' % (i, i, i) for i in range(40)
)
INI = "[server]\nhost = example.org\nport: 8080\nurl = http://%(host)s:%(port)s/\n\n[paths]\n; note\nhome = /h\nmany =\n  one\n  two\ndebug = yes\n"
MAIL = (
    "From: Anna Example <anna@example.org>\nTo: bob@example.org, \"C, D\" <c@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and\n more\n"
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"xyz\"\n\n--xyz\nContent-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: base64\n\nSGFsbG8gV2VsdA==\n--xyz\nContent-Type: application/json\n\n{\"a\": 1}\n--xyz--\n"
)


class Outline(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.text, self.links = [], [], []

    def handle_starttag(self, tag, attributes):
        self.stack.append(tag)
        self.links += [value for name, value in attributes if name == "href"]

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        self.text.append(data.strip())


class Rename(ast.NodeTransformer):
    def visit_Name(self, node):
        return ast.copy_location(ast.Name(node.id + "_", node.ctx), node)


class Names(ast.NodeVisitor):
    def __init__(self):
        self.names = []

    def visit_FunctionDef(self, node):
        self.names.append(node.name)
        self.generic_visit(node)


def python(n):
    total = 0
    for i in range(n):
        tree = ast.parse(SOURCE)
        names = Names()
        names.visit(tree)
        total += len(names.names) + sum(1 for _ in ast.walk(tree)) % 7 + len(compile(tree, "<training>", "exec").co_names)
        if i % 4 == 0:
            changed = ast.fix_missing_locations(Rename().visit(tree))
            total += len(ast.unparse(changed)) & 1 | 2
        compile(SOURCE, "<training>", "exec", optimize=i % 3)
        total += ast.literal_eval("{'a': [1, 2.5, (True, None)], 'b': -3}")["b"]
        total += eval("sum(x * y for x in range(5) for y in (1, 2)) + %d" % i)
        space = {}
        exec("def f(a, b=%d):\n    return [a + b, a * b][a & 1]\nresult = f(3)" % i, space)
        total += space["result"]
        try:
            compile("def (:\n", "<training>", "exec")
        except SyntaxError as error:
            total += error.lineno
    total += sum(len(token.string) for token in tokenize.generate_tokens(io.StringIO(SOURCE).readline))
    return total


def matched(n):
    if sys.version_info < (3, 10):
        return None
    space = {}
    exec(MATCH, space)
    values = [0, [1, 1, 2], {"name": "n", "x": 1}, 2.5, "text", [1, 2], None]
    return [space["kind"](values[i % 7]) for i in range(n * 20)][-7:]


def hypertext(n):
    size = 0
    for _ in range(n):
        outline = Outline()
        outline.feed(PAGE)
        outline.close()
        size += len("".join(outline.text)) + len(outline.links[0]) + len(html.escape(PAGE[:200])) + len(html.unescape(PAGE[:200]))
    return size


def xml(n):
    total = 0
    for i in range(n):
        root = ElementTree.fromstring(XML)
        total += sum(float(item.findtext("price")) for item in root.iter("item")) + len(root.findall("./item[@id='3']"))
        for item in root:
            item.set("seen", str(i))
            ElementTree.SubElement(item, "note").text = "a < b & ü"
        total += len(ElementTree.tostring(root, "unicode")) + len(ElementTree.tostring(root[0]))
        events = ElementTree.iterparse(io.BytesIO(XML.encode()), events=("start", "end"))
        total += sum(1 for event, element in events if event == "end" and element.tag == "name")
    return total


def settings(n):
    total = 0
    for i in range(n):
        config = configparser.ConfigParser()
        config.read_string(INI)
        config["new"] = {"a": str(i), "b": "x"}
        out = io.StringIO()
        config.write(out)
        total += config.getint("server", "port") + len(config["server"]["url"]) + config.getboolean("paths", "debug") + len(out.getvalue())
    return total


def arguments(n):
    def shape(prog):
        return argparse.HelpFormatter(prog, width=78)

    total = 0
    for i in range(n):
        parser = argparse.ArgumentParser("tool", description="Does things.", formatter_class=shape)
        parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
        parser.add_argument("--size", type=int, choices=range(100), metavar="N")
        commands = parser.add_subparsers(dest="command")
        add = commands.add_parser("add", formatter_class=shape)
        add.add_argument("names", nargs="+")
        add.add_argument("--flag", action="store_true")
        got = parser.parse_args(["-vv", "--size=%d" % (i % 100), "add", "a", "b", "--flag"])
        total += got.verbose + got.size + len(got.names) + got.flag + (len(parser.format_help()) > 100)
    return total


def addresses(n):
    total = 0
    for i in range(n):
        parts = urllib.parse.urlsplit("https://user:pw@host.example:80%02d/a/b;p?q=%d&r=a+b&r=%%C3%%A9#top" % (i % 90, i))
        query = urllib.parse.parse_qs(parts.query)
        total += parts.port + len(query["r"]) + len(parts.hostname) + len(urllib.parse.urlencode({"a": i, "b": "ü &"}))
        total += len(urllib.parse.quote("/päth to/%d" % i)) + len(urllib.parse.unquote("%C3%BC+x")) + len(urllib.parse.urljoin("http://a/b/c/d", "../e?%d" % i))
        total += len(shlex.split("run --name 'a b' \"c \\\" d\" e\\ f # no")) + len(shlex.quote("it's %d" % i))
    return total


def mail(n):
    total = 0
    for i in range(n):
        message = email.parser.Parser(policy=email.policy.default if i % 2 else email.policy.compat32).parsestr(MAIL)
        total += len(message["To"]) + len(str(message["Subject"])) + len(message.get_payload()) + len(message.as_string())
        for part in message.walk():
            if not part.is_multipart():
                total += len(part.get_payload(decode=True)) + len(part.get_content_type())
    return total


def run():
    results = []
    for n in range(1, 10):
        results += [python(n), matched(n * 9), hypertext(n * 2), xml(n), settings(n * 2), arguments(n), addresses(n * 12), mail(n)]
    return results
