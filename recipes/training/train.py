"""Runs every topic once, in the order written here, and prints one checksum of all their results.

    PYTHONHASHSEED=0 ./python -S -B Training/train.py

This is the program with which an instrumented interpreter is trained for profile-guided optimisation. Two runs of it execute
exactly the same instructions: one thread, no clock, no randomness, no file but the modules imported, no order that depends on
addresses, nothing of libm whose last bit differs between processors. Topics are many and short, so that no program shape
outweighs another. The checksum differs between versions of Python and never between runs of one. Exit status 1: a topic raised."""

import sys

# OpenSSL chooses code by the processor, and takes memory for it from the same heap: what comes after would lie elsewhere, and
# Python counts by address. hashlib has code of its own for the same hashes.
sys.modules["_ssl"] = sys.modules["_hashlib"] = None

import calling
import objects
import generating
import raising
import containers
import scripting
import wording
import matching
import storing
import counting
import floating
import parsing
import reporting
import playing
import searching
import scheduling
import collecting
import loading

TOPICS = (
    calling,
    objects,
    generating,
    raising,
    containers,
    scripting,
    wording,
    matching,
    storing,
    counting,
    floating,
    parsing,
    reporting,
    playing,
    searching,
    scheduling,
    collecting,
    loading,  # last: it imports whatever no other topic has
)


def fold(total, text):
    """Returns the checksum total with text added to it."""
    for byte in text.encode():
        total = (total * 1099511628211 ^ byte) & 0xFFFFFFFFFFFFFFFF
    return total


def main():
    total = 14695981039346656037
    for topic in TOPICS:
        total = fold(total, repr(topic.run()))
    print("training: %d topics, checksum %016x" % (len(TOPICS), total))


if __name__ == "__main__":
    main()
