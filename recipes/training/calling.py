"""Calls: functions with every kind of parameter, methods, closures, partial, builtins of each calling convention."""

import functools
import operator

CALLS = 0


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def tak(x, y, z):
    if y >= x:
        return z
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y))


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def defaults(a, b=2, c=3, *, scale=1, offset=0):
    return (a + b * c) * scale + offset


def positional_only(a, b, /, c=1):
    return a * b - c


def variadic(*args, **kwargs):
    return len(args) + sum(kwargs.values())


def forward(function, *args, **kwargs):
    return function(*args, **kwargs)


def counted(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        global CALLS
        CALLS += 1
        return function(*args, **kwargs)

    return wrapper


def repeat(times):
    def decorate(function):
        def wrapper(value):
            for _ in range(times):
                value = function(value)
            return value

        return wrapper

    return decorate


@counted
def area(width, height=1):
    return width * height


@repeat(3)
def step(value):
    return value * 3 + 1 & 0xFFFF


def make_counter(start=0):
    value = start

    def bump(by=1):
        nonlocal value
        value += by
        return value

    return bump


def compose(*functions):
    def composed(value):
        for function in functions:
            value = function(value)
        return value

    return composed


class Account:
    rate = 3

    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance
        self.log = []

    def deposit(self, amount, note=None):
        self.balance += amount
        if note is not None:
            self.log.append(note)
        return self

    def withdraw(self, amount):
        if amount <= self.balance:
            self.balance -= amount
            return True
        return False

    def __call__(self, factor):
        return self.balance * factor

    @classmethod
    def opened(cls, owner, **kwargs):
        return cls(owner, **kwargs)

    @staticmethod
    def fee(amount):
        return amount // 100 + 1


@functools.lru_cache(maxsize=None)
def paths(rows, columns):
    return 1 if not rows or not columns else paths(rows - 1, columns) + paths(rows, columns - 1)


@functools.lru_cache(maxsize=16)
def bounded(key, salt=0):
    return key * 7 + salt


@functools.singledispatch
def describe(value):
    return "object"


@describe.register(int)
def _(value):
    return "int %d" % value


@describe.register(str)
def _(value):
    return "str " + value


@describe.register(list)
def _(value):
    return "list " + ",".join(describe(item) for item in value)


def plain_calls(n):
    total = 0
    options = {"scale": 2, "offset": 5}
    for i in range(n):
        total += defaults(i)
        total += defaults(i, 3)
        total += defaults(i, c=4, b=i)
        total += defaults(i, 1, 2, scale=3, offset=i)
        total += defaults(i, **options)
        total += positional_only(i, 2)
        total += variadic(i, i, 1, a=1, b=i)
        total += variadic(*range(i & 7), **options)
        total += forward(defaults, i, 2, scale=2)
        total += forward(forward, positional_only, i, i)
        total += area(i, height=2) + step(i)
    return total


def closure_calls(n):
    first, second = make_counter(), make_counter(100)
    pipeline = compose(step, lambda v: v ^ 21, str, len, first)
    double = functools.partial(operator.mul, 2)
    scaled = functools.partial(defaults, 1, scale=4)
    total = 0
    for i in range(n):
        total += first() + second(i) + double(i) + scaled(b=i) + pipeline(i)
        total += (lambda x, y=3: x * y)(i)
    return total


def method_calls(n):
    accounts = [Account("a%d" % i, i) for i in range(8)]
    accounts.append(Account.opened("z", balance=1000))
    total = 0
    for i in range(n):
        account = accounts[i % 9]
        account.deposit(i).deposit(1, note=i)
        if account.withdraw(i // 2):
            total += account(2)
        take = account.withdraw
        total += take(1) + Account.fee(i) + account.fee(i) + Account.withdraw(account, 1)
        total += isinstance(account, Account) + account.rate
    return total, sum(len(account.log) for account in accounts)


def builtin_calls(n):
    total = 0
    data = [5, 3, 8, 1, 9, 2]
    table = {"a": 1, "b": 2}
    getter, second = operator.attrgetter("balance"), operator.itemgetter(1)
    upper = operator.methodcaller("upper")
    for i in range(n):
        total += len(data) + abs(-i) + max(i, 3) + min(data) + max(data, key=lambda v: -v)
        total += sum(data) + ord(chr(65 + i % 26)) + int(str(i)) + int("1f", 16) + hash(i)
        total += isinstance(i, (str, int)) + callable(len) + hasattr(data, "append")
        total += getattr(data, "nothing", 4) + divmod(i, 7)[1] + pow(i, 3, 11) + round(i / 4)
        total += table.get("a") + table.get("c", 3) + second(data) + len(upper("abc"))
        total += any(v > 8 for v in data) + all(data) + len(list(map(abs, data)))
        total += len(tuple(zip(data, "abcdef"))) + len(sorted(data, reverse=True))
        total += getter(Account("x", i)) + bool(i) + len(repr(i)) + len(type(i).__name__)
        data.append(i)
        data.pop(0)
    return total


def run():
    results = [fib(17), tak(10, 5, 2), ackermann(2, 9)]
    for n in range(40, 1300, 25):
        results += [plain_calls(n), closure_calls(n), method_calls(n), builtin_calls(n)]
    paths.cache_clear()
    results += [paths(12, 12), paths.cache_info().hits, sum(bounded(i % 24, salt=i & 1) for i in range(4000))]
    results += [describe(item) for item in (1, "a", [1, "b", [2.5]], None) for _ in range(60)][::50]
    results.append(functools.reduce(lambda a, b: (a * 31 + b) % 65521, range(6000), 7))
    return results, CALLS
