"""A checker of Python sources: trees are parsed, visited, rewritten, unparsed, compiled and run."""
import ast
import io
import keyword
import tokenize

PIECE = '''
class Shape{n}(Base):
    """Shape number {n}."""
    sides = {n} % 7 + 3

    def __init__(self, size, *, scale=1 + 2 * 3):
        self.size = size * scale
        unused_{n} = [x for x in range(self.sides) if x % 2]

    def area(self, factor: float = 2.0 ** 2) -> float:
        total = 0
        for side in range(self.sides):
            if side == 0 or side > {n}:
                continue
            try:
                total += self.size * side / (side - 2)
            except ZeroDivisionError as error:
                total -= len(str(error)) and 60 * 60 * 24
        while total > 10 and not total != total:
            total, last = total / 10, total
        return total * factor

    @property
    def name(self):
        return f"shape {{self.sides}} of {{self.size:>4}}" + 'x' * {n}


def make{n}(count):
    with Guard() as guard:
        return guard(lambda size: Shape{n}(size).area() + sum(k * k for k in range(count)))(count + {n})
'''
HEAD = '''
class Base:
    pass

class Guard:
    def __enter__(self):
        return lambda function: function
    def __exit__(self, *details):
        return False
'''


class Scopes(ast.NodeVisitor):
    """Finds names that are bound in a function and never read."""

    def __init__(self):
        self.unused, self.depth, self.deepest = [], 0, 0

    def visit_FunctionDef(self, node):
        stored, loaded = set(), set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                (stored if isinstance(inner.ctx, ast.Store) else loaded).add(inner.id)
        self.unused += sorted(stored - loaded)
        self.generic_visit(node)

    def generic_visit(self, node):
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        super().generic_visit(node)
        self.depth -= 1


class Fold(ast.NodeTransformer):
    def __init__(self):
        self.folded = 0

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant) and isinstance(node.op, (ast.Add, ast.Mult, ast.Pow)):
            self.folded += 1
            value = eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<fold>", "eval"), {})
            return ast.copy_location(ast.Constant(value), node)
        return node


def complexity(tree):
    return sum(isinstance(node, (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.BoolOp, ast.comprehension)) for node in ast.walk(tree))


def style(text):
    longest = keywords = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        longest = max(longest, token.end[1])
        keywords += token.type == tokenize.NAME and keyword.iskeyword(token.string)
    return longest, keywords


def check(text):
    tree = ast.parse(text)
    scopes, fold = Scopes(), Fold()
    scopes.visit(tree)
    tree = ast.fix_missing_locations(fold.visit(tree))
    again = ast.unparse(tree)
    if ast.dump(ast.parse(again)) != ast.dump(ast.parse(ast.unparse(ast.parse(again)))):
        raise AssertionError("unparse is not stable")
    space = {}
    exec(compile(tree, "<checked>", "exec"), space)
    results = sum(function(3) for name, function in space.items() if name.startswith("make"))
    return len(scopes.unused), scopes.deepest, fold.folded, complexity(tree), len(again), round(results, 6)


def run():
    report = []
    for size in (3, 8, 20, 40):
        text = HEAD + "".join(PIECE.format(n=n) for n in range(size))
        report.append(check(text) + style(text))
    return report
