"""Classes: creation, inheritance, attribute look-up of every kind, descriptors, slots, operators, enum, namedtuple, dataclass."""

import abc
import collections
import dataclasses
import enum
import functools
import types
import typing
import weakref


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)

    def __mul__(self, factor):
        if not isinstance(factor, (int, float)):
            return NotImplemented
        return Vector(self.x * factor, self.y * factor)

    __rmul__ = __mul__

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __eq__(self, other):
        return isinstance(other, Vector) and self.x == other.x and self.y == other.y

    def __hash__(self):
        return hash((self.x, self.y))

    def __bool__(self):
        return bool(self.x or self.y)

    def __repr__(self):
        return f"Vector({self.x!r}, {self.y!r})"


class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else getattr(instance, self.name)

    def __set__(self, instance, value):
        if value < 0:
            raise ValueError(self.name)
        setattr(instance, self.name, value)


class Shape(abc.ABC):
    registry = {}
    sides = 0

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Shape.registry[cls.__name__] = cls

    def __init__(self, name):
        self.name = name

    @abc.abstractmethod
    def area(self):
        """Returns the area."""

    @property
    def label(self):
        return self.name + ":" + str(self.sides)

    def describe(self):
        return "%s %s" % (self.label, self.area())


class Rectangle(Shape):
    sides = 4
    width = Positive()
    height = Positive()

    def __init__(self, width, height, name="rectangle"):
        super().__init__(name)
        self.width = width
        self.height = height

    def area(self):
        return self.width * self.height

    @functools.cached_property
    def diagonal(self):
        return self.width * self.width + self.height * self.height


class Square(Rectangle):
    def __init__(self, side):
        super().__init__(side, side, name="square")

    @property
    def side(self):
        return self.width

    @side.setter
    def side(self, value):
        self.width = self.height = value

    def describe(self):
        return "[" + super().describe() + "]"


class Triangle(Shape):
    sides = 3

    def __init__(self, base, height):
        Shape.__init__(self, "triangle")
        self.base, self.height = base, height

    def area(self):
        return self.base * self.height // 2


class Field(type):
    def __new__(mcls, name, bases, namespace, **kwargs):
        namespace["fields"] = tuple(key for key in namespace if not key.startswith("_"))
        return super().__new__(mcls, name, bases, namespace)

    def __call__(cls, *args):
        cls.made = getattr(cls, "made", 0) + 1
        return super().__call__(*args)


class Record(metaclass=Field):
    first = 1
    second = 2

    def __init__(self, *values):
        for name, value in zip(self.fields, values):
            setattr(self, name, value)


class Proxy:
    def __init__(self, target):
        self.__dict__["target"] = target

    def __getattr__(self, name):
        return getattr(self.target, name)

    def __setattr__(self, name, value):
        setattr(self.target, name, value)

    def __getitem__(self, key):
        return self.target[key]


class Row(collections.UserDict):
    def __missing__(self, key):
        return key * 2


class Matrix:
    def __init__(self, rows):
        self.rows = [list(row) for row in rows]

    def __getitem__(self, at):
        i, j = at
        return self.rows[i][j]

    def __setitem__(self, at, value):
        i, j = at
        self.rows[i][j] = value

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return iter(self.rows)

    def __contains__(self, value):
        return any(value in row for row in self.rows)

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        return Matrix([[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows])

    def __iadd__(self, n):
        for row in self.rows:
            for j in range(len(row)):
                row[j] += n
        return self


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    BLUE = 3

    @property
    def next(self):
        return Color(self.value % 3 + 1)


class Mode(enum.IntFlag):
    READ = 4
    WRITE = 2
    RUN = 1


Point = collections.namedtuple("Point", "x y z", defaults=(0,))


class Employee(typing.NamedTuple):
    name: str
    pay: int = 100


@dataclasses.dataclass(order=True)
class Item:
    price: int
    name: str = dataclasses.field(compare=False)
    tags: list = dataclasses.field(default_factory=list, compare=False)

    def total(self, count):
        return self.price * count


@dataclasses.dataclass(frozen=True)
class Key:
    kind: str
    number: int


@functools.total_ordering
class Version:
    def __init__(self, text):
        self.parts = tuple(int(part) for part in text.split("."))

    def __eq__(self, other):
        return self.parts == other.parts

    def __lt__(self, other):
        return self.parts < other.parts


def vectors(n):
    total = Vector(0, 0)
    seen = {}
    for i in range(n):
        v = Vector(i % 17, i % 5)
        total = total + v * 2 - -v
        total = 1 * total
        seen[v] = seen.get(v, 0) + 1
        if v == Vector(3, 3) or not v:
            total.x += 1
    return repr(total), len(seen)


def shapes(n):
    total, text = 0, 0
    for i in range(n):
        for shape in (Rectangle(i, 2), Square(i), Triangle(i, 3)):
            total += shape.area() + shape.sides
            text += len(shape.describe())
        square = Square(1)
        square.side = i
        total += square.side + square.diagonal + square.diagonal
        try:
            square.width = -i
        except ValueError as error:
            text += len(error.args)
    return total, text, list(Shape.registry)


def dynamic(n):
    total = 0
    target = types.SimpleNamespace(a=1, b=2)
    proxy = Proxy(target)
    for i in range(n):
        proxy.a = i
        total += proxy.a + proxy.b + Record(i, 2, 3).first
        total += getattr(target, "a") + hasattr(proxy, "zzz") + vars(target)["b"]
        target.__dict__["c%d" % (i & 7)] = i
        if i % 20 == 0:
            kind = type("Kind%d" % i, (Record,), {"third": 3, "double": lambda self: self.third * 2})
            total += kind(1, 2, 3).third + len(kind.__mro__)

            class Local(Rectangle):
                limit = i

                def area(self):
                    return super().area() + self.limit

            total += Local(2, 3).area()
    Shape.registry.pop("Local", None)
    return total, Record.made, sorted(vars(target))


def records(n):
    total = 0
    items = []
    for i in range(n):
        p = Point(i, y=2)
        x, y, z = p._replace(z=i)
        total += x + y + z + p.x + p[1] + len(p)
        worker = Employee("n", i)
        total += worker.pay + (p == (i, 2, 0))
        items.append(Item(i * 7919 % 101, "item", [i]))
        items[-1].tags.append(1)
        total += items[-1].total(2) + (Key("k", i % 10) == Key("k", 3))
        color = Color(i % 3 + 1)
        total += color.next.value + (color is Color.RED) + len(Color["BLUE"].name)
        mode = Mode.READ | Mode.RUN if i & 1 else Mode.WRITE
        total += bool(mode & Mode.READ) + int(mode)
    items.sort()
    index = {Key("k", item.price): item for item in items}
    changed = dataclasses.replace(items[0], price=5)
    return total, items[0].price, len(index), dataclasses.asdict(changed), str(max(items).price)


def containers_of_ours(n):
    matrix = Matrix([[1, 2], [3, 4]])
    row = Row(a=1)
    total = 0
    for i in range(n):
        matrix[0, 1] = i
        matrix += 1
        total += matrix[1, 0] + len(matrix) + (i in matrix) + sum(map(sum, matrix))
        total += (matrix @ matrix)[0, 0] % 9 + len(row["bb"]) + row["a"]
        row["k%d" % (i % 5)] = i
    versions = sorted((Version("%d.%d.%d" % (i % 3, i % 7, i)) for i in range(n // 2)), reverse=True)
    return total, versions[0].parts, versions[0] >= versions[1], len(row)


def weak(n):
    live = [Rectangle(i, i) for i in range(n)]
    table = weakref.WeakValueDictionary((i, shape) for i, shape in enumerate(live))
    references = [weakref.ref(shape) for shape in live]
    del live[::2]
    shape = None
    return len(table), sum(1 for reference in references if reference() is not None)


def run():
    results = []
    for n in range(30, 400, 7):
        results += [vectors(n * 4), shapes(n), dynamic(n), records(n), containers_of_ours(n), weak(n)]
    return results
