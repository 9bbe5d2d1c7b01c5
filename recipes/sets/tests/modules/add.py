"""Add the modules of CPython's test suite to the list that check.py holds the interpreter against."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
name = "%d.%d.txt" % sys.version_info[:2]
more = {}
with open(os.path.join(here, name)) as lines:
    for line in lines:
        kind, _, names = line.partition(":")
        more[kind] = names.rstrip("\n")

plain = os.path.join(os.path.dirname(here), "tlsfloor", name)
with open(plain) as lines:
    merged = [line.rstrip("\n") + more.pop(line.partition(":")[0], "") for line in lines]
if more:
    sys.exit("no such kind of modules: %s" % ", ".join(sorted(more)))
with open(plain, "w") as out:
    out.write("\n".join(merged) + "\n")
