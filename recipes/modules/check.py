"""Hold the modules of the interpreter that runs this against the list for its version; the build stops at any difference.

CPython's own build leaves out what it finds no library for, and still succeeds.
"""

import importlib
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
version = "%d.%d" % sys.version_info[:2]
expected = {}
with open(os.path.join(here, version + ".txt")) as lines:
    for line in lines:
        kind, _, names = line.partition(":")
        expected[kind] = set(names.split())

with open("pybuilddir.txt") as name:
    shared = {entry.partition(".")[0] for entry in os.listdir(name.read()) if entry.endswith(".so")}

faults = []


def compare(what, found, wanted):
    for name in sorted(wanted - found):
        faults.append("%s is missing: %s" % (what, name))
    for name in sorted(found - wanted):
        faults.append("%s is not expected: %s" % (what, name))


compare("module of the interpreter", set(sys.builtin_module_names), expected["builtin"])
compare("shared module", shared, expected["shared"])

absent = set()
for name in sorted(set(getattr(sys, "stdlib_module_names", ())) | expected["builtin"] | expected["shared"]):
    if name in ("antigravity", "this", "idlelib", "__main__"):  # opens a browser, prints a poem, wants a display
        continue
    try:
        importlib.import_module(name)
    except ImportError:
        absent.add(name)
compare("module that cannot be imported", absent, expected["absent"])

for fault in faults:
    print(fault)
sys.exit(1 if faults else 0)
