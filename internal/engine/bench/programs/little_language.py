"""An interpreter of a little language: tokens by hand, a recursive-descent parser, a tree walker."""

SOURCE = """
fn gcd(a, b) { while b > 0 { let t = a % b; a = b; b = t; } return a; }
fn fib(n) { if n < 2 { return n; } return fib(n - 1) + fib(n - 2); }
fn collatz(n) { let steps = 0; while n != 1 { if n % 2 == 0 { n = n / 2; } else { n = 3 * n + 1; } steps = steps + 1; } return steps; }
let sum = 0; let i = 1;
while i <= 60 { sum = sum + gcd(i * 12, 90) * (i - 3) + collatz(i) ; i = i + 1; }
sum = sum + fib(13);
"""
PRECEDENCE = {"==": 1, "!=": 1, "<": 2, "<=": 2, ">": 2, ">=": 2, "+": 3, "-": 3, "*": 4, "/": 4, "%": 4}
WORDS = {"fn", "let", "while", "if", "else", "return"}


class Returned(Exception):
    def __init__(self, value):
        self.value = value


def tokens(text):
    i, line = 0, 1
    while i < len(text):
        c = text[i]
        if c.isspace():
            line += c == "\n"
            i += 1
        elif c.isdigit():
            start = i
            while i < len(text) and text[i].isdigit():
                i += 1
            yield "number", int(text[start:i]), line
        elif c.isalpha():
            start = i
            while i < len(text) and (text[i].isalnum() or text[i] == "_"):
                i += 1
            word = text[start:i]
            yield ("word" if word in WORDS else "name"), word, line
        else:
            width = 2 if text[i:i + 2] in ("==", "!=", "<=", ">=") else 1
            yield "sign", text[i:i + width], line
            i += width
    yield "end", "", line


class Parser:
    def __init__(self, text):
        self.rest = tokens(text)
        self.advance()

    def advance(self):
        self.kind, self.value, self.line = next(self.rest)

    def accept(self, value):
        if self.kind in ("sign", "word") and self.value == value:
            self.advance()
            return True
        return False

    def expect(self, value):
        if not self.accept(value):
            raise SyntaxError("line %d: %r instead of %r" % (self.line, self.value, value))

    def name(self):
        value = self.value
        if self.kind != "name":
            raise SyntaxError("line %d: %r is no name" % (self.line, value))
        self.advance()
        return value

    def block(self):
        self.expect("{")
        body = []
        while not self.accept("}"):
            body.append(self.statement())
        return body

    def statement(self):
        if self.accept("fn"):
            name = self.name()
            self.expect("(")
            parameters = []
            while not self.accept(")"):
                parameters.append(self.name())
                self.accept(",")
            return "fn", name, parameters, self.block()
        if self.accept("while"):
            return "while", self.expression(), self.block()
        if self.accept("if"):
            test, body = self.expression(), self.block()
            return "if", test, body, self.block() if self.accept("else") else []
        if self.accept("return"):
            node = "return", self.expression()
        else:
            self.accept("let")
            name = self.name()
            self.expect("=")
            node = "set", name, self.expression()
        self.expect(";")
        return node

    def expression(self, least=1):
        left = self.atom()
        while self.kind == "sign" and PRECEDENCE.get(self.value, 0) >= least:
            sign = self.value
            self.advance()
            left = "binary", sign, left, self.expression(PRECEDENCE[sign] + 1)
        return left

    def atom(self):
        if self.kind == "number":
            value = self.value
            self.advance()
            return "number", value
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        name = self.name()
        if not self.accept("("):
            return "name", name
        arguments = []
        while not self.accept(")"):
            arguments.append(self.expression())
            self.accept(",")
        return "call", name, arguments

    def program(self):
        body = []
        while self.kind != "end":
            body.append(self.statement())
        return body


OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a // b, "%": lambda a, b: a % b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}


class Machine:
    def __init__(self):
        self.functions = {}

    def run(self, body, scope):
        for statement in body:
            getattr(self, "do_" + statement[0])(scope, *statement[1:])
        return scope

    def do_fn(self, scope, name, parameters, body):
        self.functions[name] = parameters, body

    def do_set(self, scope, name, value):
        scope[name] = self.value(value, scope)

    def do_while(self, scope, test, body):
        while self.value(test, scope):
            self.run(body, scope)

    def do_if(self, scope, test, yes, no):
        self.run(yes if self.value(test, scope) else no, scope)

    def do_return(self, scope, value):
        raise Returned(self.value(value, scope))

    def value(self, node, scope):
        kind = node[0]
        if kind == "number":
            return node[1]
        if kind == "name":
            return scope[node[1]]
        if kind == "binary":
            return OPERATORS[node[1]](self.value(node[2], scope), self.value(node[3], scope))
        parameters, body = self.functions[node[1]]
        inner = dict(zip(parameters, [self.value(argument, scope) for argument in node[2]]))
        try:
            self.run(body, inner)
        except Returned as result:
            return result.value
        return 0


def run():
    checksum = 0
    for _ in range(36):
        checksum += Machine().run(Parser(SOURCE).program(), {})["sum"]
    for count in range(1, 200):
        checksum += len(Parser(SOURCE.replace("60", str(count))).program())
    return checksum
