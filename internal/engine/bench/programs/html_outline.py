"""Pages of HTML are parsed, cleaned, outlined and turned into plain text."""
import html
from html.parser import HTMLParser

VOID = {"br", "img", "hr", "input", "meta", "link"}
ALLOWED = {"a": {"href", "title"}, "p": set(), "ul": set(), "li": set(), "b": set(), "i": set(), "h1": {"id"}, "h2": {"id"}, "br": set(), "table": set(),
           "tr": set(), "td": {"colspan"}}


def make_page(sections):
    parts = ["<!doctype html><html><head><title>A &amp; B &mdash; pages</title><style>p { color: red }</style></head><body class=main>"]
    for n in range(sections):
        parts.append('<h%d id="s%d">Section %d &lt;%c&gt;</h%d>' % (n % 2 + 1, n, n, 65 + n % 26, n % 2 + 1))
        parts.append("<p onclick='steal(%d)'>Some <b>bold</b> &amp; <i>quiet</i> words &#8211; see <a href=\"/p?a=%d&amp;b=2\" target=_blank>here</a><br>" % (n, n))
        if n % 3 == 0:
            parts.append("<ul>" + "".join("<li>point %d<img src=x%d.png alt='a > b'>" % (k, k) for k in range(5)) + "</ul>")
        if n % 4 == 1:
            parts.append("<!-- note %d --><table><tr><td colspan=2>%d<td>&euro; %d</table>" % (n, n * n, n * 3))
        if n % 5 == 2:
            parts.append("<script>if (a < b) { document.write('<p>no</p>'); }</script>")
    return "".join(parts) + "</body></html>"


class Element:
    def __init__(self, tag, attributes=(), parent=None):
        self.tag, self.attributes, self.parent, self.children = tag, dict(attributes), parent, []

    def walk(self):
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def text(self):
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)


class TreeBuilder(HTMLParser):
    closes = {"li": {"li"}, "td": {"td"}, "tr": {"tr", "td"}, "p": {"p"}, "h1": {"p"}, "h2": {"p"}, "ul": {"p"}}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("root")
        self.comments = 0

    def handle_starttag(self, tag, attrs):
        while self.here.tag in self.closes.get(tag, ()):
            self.here = self.here.parent
        element = Element(tag, attrs, self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_endtag(self, tag):
        element = self.here
        while element is not None and element.tag != tag:
            element = element.parent
        if element is not None:
            self.here = element.parent

    def handle_data(self, data):
        self.here.children.append(data)

    def handle_comment(self, data):
        self.comments += 1


class Cleaner(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.out, self.skip = [], 0

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "style"):
            self.skip += 1
        elif tag in ALLOWED and not self.skip:
            kept = "".join(' %s="%s"' % (name, html.escape(value or "")) for name, value in attrs if name in ALLOWED[tag])
            self.out.append("<%s%s>" % (tag, kept))

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.skip -= 1
        elif tag in ALLOWED and not self.skip:
            self.out.append("</%s>" % tag)

    def handle_data(self, data):
        if not self.skip:
            self.out.append(data)

    def handle_entityref(self, name):
        self.out.append("&%s;" % name)

    def handle_charref(self, name):
        self.out.append("&#%s;" % name)


def outline(root):
    for element in root.walk():
        if element.tag in ("h1", "h2"):
            yield "  " * (element.tag == "h2") + element.text() + " #" + element.attributes["id"]


def run():
    checksum = 0
    for size in (150, 500, 1000):
        page = make_page(size)
        builder, cleaner = TreeBuilder(), Cleaner()
        for start in range(0, len(page), 4000):
            builder.feed(page[start:start + 4000])
        cleaner.feed(page)
        builder.close()
        cleaner.close()
        clean = "".join(cleaner.out)
        links = [element.attributes["href"] for element in builder.root.walk() if element.tag == "a"]
        checksum += len(clean) + len(builder.root.text()) + builder.comments + sum(map(len, links))
        checksum += sum(len(line) for line in outline(builder.root)) + len(html.unescape(clean)) + clean.count("onclick")
    return checksum
