"""Coroutines that wait for each other and never for a clock: queues, locks, gather, generators, cancellation."""
import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, size):
        self.free = asyncio.Semaphore(size)
        self.used = 0

    @asynccontextmanager
    async def connection(self):
        async with self.free:
            self.used += 1
            yield self.used


async def pages(count):
    for number in range(count):
        if number % 5 == 0:
            await asyncio.sleep(0)
        yield {"id": number, "body": "page %d " % number * (number % 4 + 1)}


async def produce(queue, count, workers):
    async for page in pages(count):
        await queue.put(page)
    for _ in range(workers):
        await queue.put(None)


async def fetch(pool, page):
    async with pool.connection() as turn:
        await asyncio.sleep(0)
        if page["id"] % 41 == 40:
            raise ConnectionError(page["id"])
        return len(page["body"]) + turn % 3


async def work(queue, pool, results, lock):
    while True:
        page = await queue.get()
        if page is None:
            return
        for attempt in range(2):
            try:
                size = await fetch(pool, page)
                break
            except ConnectionError as error:
                size = -error.args[0]
        async with lock:
            results.append((page["id"], size))


async def tree(depth, width):
    if depth == 0:
        return 1
    return sum(await asyncio.gather(*(tree(depth - 1, width) for _ in range(width))))


async def relay(left, right):
    right.set_result(await left + 1)


async def chain(length):
    loop = asyncio.get_running_loop()
    first = left = loop.create_future()
    tasks = []
    for _ in range(length):
        right = loop.create_future()
        tasks.append(asyncio.ensure_future(relay(left, right)))
        left = right
    first.set_result(0)
    await asyncio.gather(*tasks)
    return left.result()


async def cancelled(count):
    async def forever(event):
        try:
            await event.wait()
        except asyncio.CancelledError:
            stopped.append(1)
            raise
    stopped = []
    event = asyncio.Event()
    tasks = [asyncio.ensure_future(forever(event)) for _ in range(count)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return len(stopped)


async def main():
    queue, pool, lock, results = asyncio.Queue(maxsize=16), Pool(5), asyncio.Lock(), []
    workers = [asyncio.ensure_future(work(queue, pool, results, lock)) for _ in range(8)]
    await produce(queue, 5000, len(workers))
    await asyncio.gather(*workers)
    checksum = sum(number * size for number, size in results) % 1000003
    return checksum, await tree(4, 7), await chain(2500), await cancelled(1500)


def run():
    return [asyncio.run(main()) for _ in range(3)]
