"""Generators, coroutines and asynchronous generators driven by hand, comprehensions, itertools, futures and tasks without a clock."""

import asyncio
import collections
import contextvars
import itertools
import operator
import types

USER = contextvars.ContextVar("user", default="nobody")


def count_to(n):
    i = 0
    while i < n:
        yield i
        i += 1


def running_mean():
    total, count, mean = 0, 0, None
    while True:
        value = yield mean
        total += value
        count += 1
        mean = total // count


def tree(depth):
    return (tree(depth - 1), depth, tree(depth - 1)) if depth else None


def walk(node):
    if node is not None:
        left, value, right = node
        yield from walk(left)
        yield value
        yield from walk(right)


def flatten(items):
    for item in items:
        if isinstance(item, list):
            yield from flatten(item)
        else:
            yield item


def guarded(log):
    try:
        while True:
            try:
                got = yield len(log)
                log.append(got)
            except KeyError as error:
                log.append(str(error))
    finally:
        log.append("closed")


def delegating(log):
    result = yield from returning(3)
    log.append(result)
    yield from guarded(log)


def returning(n):
    for i in range(n):
        yield i
    return n * 10


@types.coroutine
def pause(value):
    return (yield value)


class Countdown:
    def __init__(self, n):
        self.n = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.n:
            raise StopAsyncIteration
        self.n -= 1
        await pause(self.n)
        return self.n


class Lease:
    def __init__(self, log):
        self.log = log

    async def __aenter__(self):
        await pause("enter")
        self.log.append("in")
        return self

    async def __aexit__(self, kind, error, trace):
        await pause("exit")
        self.log.append("out" if kind is None else kind.__name__)
        return kind is ValueError


async def ticks(n):
    for i in range(n):
        yield i
        await pause(i)


async def fetch(key, cache):
    if key not in cache:
        cache[key] = await pause(key)
    return cache[key]


async def worker(n, log):
    cache = {}
    total = 0
    async for i in Countdown(n):
        total += i
    async with Lease(log) as lease:
        lease.log.append(n)
        total += await fetch(n % 3, cache)
        if n % 2:
            raise ValueError(n)
    total += sum([i async for i in ticks(n) if i & 1])
    for i in range(n):
        total += await fetch(i % 4, cache)
    return total


def drive(coroutine):
    """Runs coroutine to its end; answers what it waits for with the length of its text."""
    answer, steps = None, 0
    while True:
        try:
            answer = len(str(coroutine.send(answer)))
            steps += 1
        except StopIteration as stop:
            return stop.value, steps


def round_robin(coroutines):
    ready = collections.deque((c, None) for c in coroutines)
    results = []
    while ready:
        coroutine, value = ready.popleft()
        try:
            ready.append((coroutine, len(str(coroutine.send(value)))))
        except StopIteration as stop:
            results.append(stop.value)
    return results


class Loop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order in which they were asked for: no clock, no files."""

    def __init__(self):
        self.ready = collections.deque()

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def call_soon(self, callback, *args, context=None):
        self.ready.append((callback, args, context))

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coroutine, **kwargs):
        return asyncio.Task(coroutine, loop=self, **kwargs)

    def call_exception_handler(self, context):
        raise context.get("exception") or RuntimeError(context["message"])

    def run(self, coroutine):
        asyncio._set_running_loop(self)
        try:
            task = self.create_task(coroutine)
            while self.ready:
                callback, args, context = self.ready.popleft()
                context.run(callback, *args)
            return task.result()
        finally:
            asyncio._set_running_loop(None)


async def produce(queue, n):
    for i in range(n):
        await queue.put(i)
        if i % 5 == 0:
            await asyncio.sleep(0)
    await queue.put(None)


async def consume(queue, out):
    while (item := await queue.get()) is not None:
        out.append(item)
    return len(out)


async def leaf(i, lock):
    USER.set("user%d" % i)
    await asyncio.sleep(0)
    async with lock:
        await asyncio.sleep(0)
    if i % 10 == 9:
        raise LookupError(USER.get())
    return i


async def branch(depth, lock):
    if not depth:
        return await leaf(1, lock)
    return sum(await asyncio.gather(*[branch(depth - 1, lock) for _ in range(3)]))


async def tasks(n):
    queue, lock, out = asyncio.Queue(4), asyncio.Lock(), []
    both = asyncio.gather(produce(queue, n), consume(queue, out))
    done = await asyncio.gather(*(leaf(i, lock) for i in range(n)), return_exceptions=True)
    future = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda f: out.append(f.result()))
    future.set_result(77)
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.sleep(0)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        out.append(1)
    return await both, await future, sum(type(r) is int for r in done), len(out), await branch(3, lock)


def generators(n):
    total = sum(count_to(n)) + sum(x * x for x in count_to(n) if x % 3)
    mean = running_mean()
    next(mean)
    for i in range(n):
        total += mean.send(i)
    total += sum(walk(tree(6))) + sum(flatten([1, [2, [3, [4, 5]], 6], [[7]]] * 9))
    log = []
    generator = delegating(log)
    for i in range(4):
        next(generator)
    for i in range(9):
        generator.send(i)
        total += generator.throw(KeyError("k"))
    generator.close()
    first, *rest = count_to(5)
    return total, log[:4], log[-1], len(log), first, rest


def comprehensions(n):
    rows = [[i * j % 7 for j in range(9)] for i in range(n // 9)]
    total = sum(sum(row) for row in rows) + len({i % 13 for i in range(n)})
    table = {i: str(i) for i in range(n) if i & 1}
    pairs = [(k, v) for k, v in table.items() if len(v) > 1]
    flat = [x for row in rows for x in row if x]
    columns = [list(column) for column in zip(*rows)]
    words = [w.upper() for w in ("a", "bc", "def") for _ in range(n // 10)]
    inverse = {v: k for k, v in table.items()}
    return total, len(pairs), len(flat), len(columns), len(words), len(inverse), [y for x in flat[:9] if (y := x * 2) > 4]


def pipelines(n):
    chained = itertools.chain(range(n), "abc", [None])
    total = sum(1 for _ in chained)
    total += sum(itertools.islice(itertools.count(3, 2), n)) + sum(itertools.accumulate(range(n)))
    total += sum(itertools.starmap(operator.mul, zip(range(n), range(3, n))))
    groups = [(k, len(list(g))) for k, g in itertools.groupby(range(n), key=lambda v: v // 11)]
    total += len(list(itertools.permutations(range(5)))) + len(list(itertools.combinations(range(8), 3)))
    total += sum(a * b for a, b in itertools.product(range(9), repeat=2))
    total += sum(itertools.takewhile(lambda v: v < 50, itertools.cycle(range(60))))
    total += sum(x or 0 for pair in itertools.zip_longest(range(9), range(5)) for x in pair)
    left, right = itertools.tee(range(n))
    next(right)
    total += sum(b - a for a, b in zip(left, right)) + sum(filter(None, map(int, "1203040")))
    total += sum(itertools.compress(range(n), itertools.cycle([1, 0, 0]))) + sum(reversed(range(n)))
    return total, groups[:3], [*map(max, [1, 5], [3, 2])], list(enumerate("xy", 1))


def run():
    results = []
    for n in range(9, 260):
        log = []
        results += [generators(n), comprehensions(n), pipelines(n)]
        results += [drive(worker(i, log)) for i in range(n // 9)]
        results += [round_robin(worker(i, log) for i in range(n // 9)), len(log)]
        results.append(Loop().run(tasks(n // 4)))
    return results[-9:]
