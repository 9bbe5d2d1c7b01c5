"""Times one program of this folder: run.py <name> <calls>.

One call warms up and gives the checksum; then each of the timed calls must give it again. A JSON object is printed."""
import gc
import importlib
import json
import sys
import time


def main():
    name, calls = sys.argv[1], int(sys.argv[2])
    work = importlib.import_module(name).run
    checksum = str(work())
    seconds = []
    for _ in range(calls):
        gc.collect()
        begun = time.perf_counter()
        again = work()
        seconds.append(time.perf_counter() - begun)
        if str(again) != checksum:
            sys.exit("%s: checksum %s, then %s" % (name, checksum, again))
    print(json.dumps({"name": name, "seconds": seconds, "checksum": checksum}))


main()
