"""Programs that run programs: a recursive-descent parser, a tree walker, a stack machine, a template engine, state machines."""

import operator
import re

TOKEN = re.compile(r"\s*(?:(\d+)|(\w+)|(<=|>=|==|!=|[-+*/%<>=(){},;]))")
BINARY = {
    "+": (2, operator.add),
    "-": (2, operator.sub),
    "*": (3, operator.mul),
    "/": (3, operator.floordiv),
    "%": (3, operator.mod),
    "<": (1, operator.lt),
    ">": (1, operator.gt),
    "==": (1, operator.eq),
    "!=": (1, operator.ne),
}
PROGRAM = """
def gcd(a, b) { while b != 0 { let t = a % b; a = b; b = t; } return a; }
def fact(n) { if n < 2 { return 1; } return n * fact(n - 1); }
let total = 0; let i = 1;
while i < 40 { total = total + gcd(i * 6, 84) - (i + 2) * 3 / 2; i = i + 1; }
if total > 100 { total = total + fact(9); } else { total = 0 - total; }
total = total + fact(4);
"""
PAGE = """<h1>{{ title|upper }}</h1>
{% if user %}<p>Hello {{ user.name }}, {{ user.age|str }}</p>{% else %}<p>nobody</p>{% endif %}
<ul>{% for item in items %}<li class="{{ item.kind }}">{{ item.name|title }}: {{ item.price }}
{% for tag in item.tags %}<b>{{ tag|escape }}</b>{% endfor %}</li>
{% endfor %}</ul>
"""


class Parser:
    """Makes nested tuples of the small language of PROGRAM."""

    def __init__(self, text):
        self.tokens = [(m.lastindex, m.group(m.lastindex)) for m in TOKEN.finditer(text)]
        self.tokens.append((0, ""))
        self.at = 0

    def peek(self):
        return self.tokens[self.at][1]

    def take(self):
        token = self.tokens[self.at]
        self.at += 1
        return token

    def expect(self, text):
        kind, got = self.take()
        if got != text:
            raise SyntaxError("%r instead of %r" % (got, text))

    def block(self, end="}"):
        body = []
        while self.peek() != end:
            body.append(self.statement())
        self.take()
        return body

    def statement(self):
        kind, word = self.take()
        if word == "while":
            test = self.expression()
            self.expect("{")
            return ("while", test, self.block())
        if word == "if":
            return self.condition()
        if word == "def":
            name = self.take()[1]
            self.expect("(")
            names = self.listed(lambda: self.take()[1])
            self.expect("{")
            return ("def", name, names, self.block())
        if word == "return":
            node = ("return", self.expression())
        else:
            name = self.take()[1] if word == "let" else word
            self.expect("=")
            node = ("set", name, self.expression())
        self.expect(";")
        return node

    def condition(self):
        test = self.expression()
        self.expect("{")
        then, other = self.block(), []
        if self.peek() == "else":
            self.take()
            self.expect("{")
            other = self.block()
        return ("if", test, then, other)

    def listed(self, one):
        items = []
        while self.peek() != ")":
            items.append(one())
            if self.peek() == ",":
                self.take()
        self.take()
        return items

    def expression(self, least=1):
        left = self.atom()
        while (found := BINARY.get(self.peek())) and found[0] >= least:
            symbol = self.take()[1]
            left = ("op", symbol, left, self.expression(found[0] + 1))
        return left

    def atom(self):
        kind, text = self.take()
        if kind == 1:
            return ("number", int(text))
        if text == "(":
            inner = self.expression()
            self.expect(")")
            return inner
        if self.peek() == "(":
            self.take()
            return ("call", text, self.listed(self.expression))
        return ("name", text)


class Return(Exception):
    pass


class Walker:
    """Evaluates a tree of Parser by one method per kind of node."""

    def __init__(self):
        self.scopes = [{}]
        self.functions = {}

    def run(self, body):
        for node in body:
            getattr(self, "do_" + node[0])(node)
        return self.scopes[-1]

    def value(self, node):
        kind = node[0]
        if kind == "number":
            return node[1]
        if kind == "name":
            return self.scopes[-1][node[1]]
        if kind == "op":
            return BINARY[node[1]][1](self.value(node[2]), self.value(node[3]))
        names, body = self.functions[node[1]]
        self.scopes.append(dict(zip(names, map(self.value, node[2]))))
        try:
            self.run(body)
        except Return as result:
            return result.args[0]
        finally:
            self.scopes.pop()

    def do_set(self, node):
        self.scopes[-1][node[1]] = self.value(node[2])

    def do_while(self, node):
        _, test, body = node
        while self.value(test):
            self.run(body)

    def do_if(self, node):
        self.run(node[2] if self.value(node[1]) else node[3])

    def do_def(self, node):
        self.functions[node[1]] = node[2:]

    def do_return(self, node):
        raise Return(self.value(node[1]))


def machine(code, steps):
    """Runs the stack machine until it halts or has made so many steps."""
    stack, names, pc = [], {}, 0
    while steps > 0:
        op, arg = code[pc]
        pc += 1
        steps -= 1
        if op == "push":
            stack.append(arg)
        elif op == "load":
            stack.append(names[arg])
        elif op == "store":
            names[arg] = stack.pop()
        elif op == "add":
            b = stack.pop()
            stack[-1] += b
        elif op == "mul":
            b = stack.pop()
            stack[-1] = stack[-1] * b % 1000003
        elif op == "less":
            b, a = stack.pop(), stack.pop()
            stack.append(a < b)
        elif op == "jump":
            pc = arg
        elif op == "unless":
            if not stack.pop():
                pc = arg
        else:
            break
    return names


LOOP = [
    ("push", 0), ("store", "i"), ("push", 1), ("store", "x"),
    ("load", "i"), ("push", 400), ("less", None), ("unless", 17),
    ("load", "x"), ("push", 31), ("mul", None), ("load", "i"), ("add", None), ("store", "x"),
    ("load", "i"), ("push", 1), ("jump", 18),
    ("halt", None),
    ("add", None), ("store", "i"), ("jump", 4),
]

FILTERS = {
    "upper": str.upper,
    "title": str.title,
    "str": str,
    "escape": lambda s: s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
}


class Template:
    """Compiles a page into nested lists of functions, each of which writes its part."""

    SPLIT = re.compile(r"({{.*?}}|{%.*?%})")

    def __init__(self, text):
        self.parts = [part for part in self.SPLIT.split(text) if part]
        self.at = 0
        self.body, _ = self.compile(())

    def compile(self, ends):
        body = []
        while self.at < len(self.parts):
            part = self.parts[self.at]
            self.at += 1
            if part.startswith("{{"):
                body.append(self.variable(part[2:-2].strip()))
            elif part.startswith("{%"):
                words = part[2:-2].split()
                if words[0] in ends:
                    return body, words[0]
                body.append(getattr(self, "tag_" + words[0])(*words[1:]))
            else:
                body.append(lambda context, out, text=part: out.append(text))
        return body, None

    def look_up(self, path):
        first, *rest = path.split(".")

        def get(context):
            value = context.get(first)
            for name in rest:
                value = value[name] if isinstance(value, dict) else getattr(value, name, None)
            return value

        return get

    def variable(self, text):
        path, *filters = text.split("|")
        get, steps = self.look_up(path), [FILTERS[name] for name in filters]

        def write(context, out):
            value = get(context)
            for step in steps:
                value = step(value)
            out.append(str(value))

        return write

    def tag_for(self, name, _, path):
        body, _ = self.compile(("endfor",))
        get = self.look_up(path)

        def write(context, out):
            inner = dict(context)
            for inner[name] in get(context):
                for part in body:
                    part(inner, out)

        return write

    def tag_if(self, path):
        then, end = self.compile(("else", "endif"))
        other = self.compile(("endif",))[0] if end == "else" else []
        get = self.look_up(path)

        def write(context, out):
            for part in then if get(context) else other:
                part(context, out)

        return write

    def render(self, **context):
        out = []
        for part in self.body:
            part(context, out)
        return "".join(out)


def page(i):
    items = [{"name": "item %d" % j, "kind": "even" if j % 2 else "odd", "price": j * 1.25, "tags": ["<a>", "b&c"][: j % 3]} for j in range(i % 30)]
    user = {"name": "Zoë", "age": i} if i % 3 else None
    return Template(PAGE).render(title="list %d" % i, user=user, items=items)


def states(text):
    """Counts words, numbers and quoted strings with a table of transitions."""
    table = {
        ("out", "a"): ("word", 1), ("out", "0"): ("number", 1), ("out", '"'): ("quoted", 1),
        ("word", " "): ("out", 0), ("number", " "): ("out", 0), ("quoted", '"'): ("out", 0),
    }
    state, counts = "out", {"word": 0, "number": 0, "quoted": 0}
    for char in text:
        kind = "a" if char.isalpha() else "0" if char.isdigit() else " " if char.isspace() else char
        state, entered = table.get((state, kind), (state, 0))
        if entered:
            counts[state] += 1
    return counts


def run():
    results = []
    for i in range(240):
        results.append(Walker().run(Parser(PROGRAM).block(""))["total"])
        results.append(machine(LOOP, 1000 + i * 11)["x"])
        results += [len(page(i * 3 + j)) for j in range(4)]
        results.append(states('alpha 12 beta "some words" 77 gamma3 "x" ' * 9))
    return results
