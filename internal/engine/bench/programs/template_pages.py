"""A small template language is compiled to closures and fills pages; letters are filled with string.Template."""
import html
import re
import string

TOKEN = re.compile(r"({{.*?}}|{%.*?%})")

PAGE = """<html><head><title>{{ title }}</title></head><body>
<ul>{% for item in items %}
  <li class="{% if item.sold %}sold{% else %}free{% end %}">{{ item.name | title }}: {{ item.price | money }}{% if item.tags %}
    <small>{% for tag in item.tags %}{{ tag | upper }} {% end %}</small>{% end %}</li>{% end %}
</ul><p>{{ footer | cut }}</p></body></html>"""

FILTERS = {
    "title": str.title,
    "upper": str.upper,
    "money": "{:,.2f} EUR".format,
    "cut": lambda text: text if len(text) < 30 else text[:27] + "...",
}


class Template:
    def __init__(self, source):
        self.parts = [part for part in TOKEN.split(source) if part]
        self.position = 0
        self.body = self.block()

    def block(self):
        nodes = []
        while self.position < len(self.parts):
            part = self.parts[self.position]
            if part.startswith("{%"):
                words = part[2:-2].split()
                if words[0] in ("end", "else"):
                    break
                self.position += 1
                nodes.append(self.loop(words) if words[0] == "for" else self.choice(words))
            elif part.startswith("{{"):
                nodes.append(self.value(part[2:-2]))
            else:
                nodes.append(lambda scope, out, text=part: out(text))
            self.position += 1

        def render(scope, out):
            for node in nodes:
                node(scope, out)
        return render

    def value(self, text):
        names, *filters = [piece.strip() for piece in text.split("|")]
        look = self.lookup(names)
        functions = [FILTERS[name] for name in filters]

        def render(scope, out):
            value = look(scope)
            for function in functions:
                value = function(value)
            out(html.escape(str(value)))
        return render

    @staticmethod
    def lookup(names):
        first, *rest = names.split(".")

        def look(scope):
            value = scope[first]
            for name in rest:
                value = value[name] if isinstance(value, dict) else getattr(value, name)
            return value
        return look

    def loop(self, words):
        _, variable, _, names = words
        look, body = self.lookup(names), self.block()

        def render(scope, out):
            inner = dict(scope)
            for inner[variable] in look(scope):
                body(inner, out)
        return render

    def choice(self, words):
        look, yes, no = self.lookup(words[1]), self.block(), None
        if self.parts[self.position].split()[1] == "else":
            self.position += 1
            no = self.block()

        def render(scope, out):
            if look(scope):
                yes(scope, out)
            elif no:
                no(scope, out)
        return render

    def __call__(self, **scope):
        chunks = []
        self.body(scope, chunks.append)
        return "".join(chunks)


class Item:
    def __init__(self, number):
        self.name = "thing <%d> & co" % number
        self.price = number * 37.45
        self.sold = number % 3 == 0
        self.tags = ["new", "blue", "large"][:number % 4]


LETTER = string.Template("Dear $name,\nyour ${count} things cost $$ ${sum}. $missing\nYours, $us\n")


def run():
    checksum = 0
    items = [Item(number) for number in range(40)]
    for page in range(950):
        if page % 100 == 0:
            template = Template(PAGE)
        text = template(title="Page %d" % page, items=items[page % 20:], footer="made by hand, " * (page % 5))
        checksum = (checksum * 7 + len(text) + text.count("sold")) % 99991
    for number in range(40000):
        letter = LETTER.safe_substitute(name="A%d" % number, count=number % 9, sum="%.2f" % (number / 7), us="the shop")
        checksum += len(letter)
    return checksum
