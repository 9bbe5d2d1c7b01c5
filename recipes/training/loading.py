"""Imports: modules made in memory, a good part of the library compiled from source, and every extension module once."""

import dis
import importlib
import importlib.machinery
import inspect
import marshal
import sys
import types
import typing
import warnings

# Nothing here reads a clock, the system's random numbers or the file system when it is imported, except to be found.
LIBRARY = """
__future__ bdb cmd code codeop colorsys copyreg email.mime.text encodings.big5 encodings.cp1252 encodings.idna
encodings.punycode encodings.utf_7 getopt html.entities http http.cookies modulefinder netrc numbers opcode optparse
pickletools pkgutil plistlib quopri shelve stringprep symtable tabnanny tarfile tomllib wave wsgiref.headers xml.dom.minidom
xml.sax.handler zipfile
""".split()

# Every module that versions 3.9 to 3.13 may put into lib-dynload; what a build has inside itself, or not at all, differs.
EXTENSIONS = """
_asyncio _bisect _blake2 _bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _contextvars _crypt
_csv _ctypes _ctypes_test _curses _curses_panel _datetime _dbm _decimal _elementtree _gdbm _hashlib _heapq _interpchannels
_interpqueues _interpreters _json _lsprof _lzma _md5 _multibytecodec _multiprocessing _opcode _pickle _posixshmem
_posixsubprocess _queue _random _sha1 _sha2 _sha256 _sha3 _sha512 _socket _sqlite3 _ssl _statistics _struct _testbuffer
_testcapi _testclinic _testclinic_limited _testexternalinspection _testimportmultiple _testinternalcapi _testlimitedcapi
_testmultiphase _testsinglephase _tkinter _typing _uuid _xxinterpchannels _xxsubinterpreters _xxtestfuzz _zoneinfo array
audioop binascii cmath fcntl grp math mmap nis ossaudiodev parser pyexpat readline resource select spwd syslog termios
unicodedata xxlimited xxlimited_35 zlib
""".split()

PACKAGE = {
    "trained": "from . import left\nfrom .right import *\n__all__ = ['left']\nNAME = __name__\n",
    "trained.left": "from trained.right import shared as mine\nimport trained.deep.down as down\n\ndef use(x):\n    return mine(x) + down.LEVEL\n",
    "trained.right": "__all__ = ['shared']\n\ndef shared(x):\n    return x * 2\n\nclass Hidden:\n    pass\n",
    "trained.deep": "",
    "trained.deep.down": "LEVEL = 3\nfrom .. import right\ndef __getattr__(name):\n    return name.upper()\n",
}


class Memory:
    """Finds and loads the modules of PACKAGE (importlib.abc would bring tempfile and random with it)."""

    def find_spec(self, name, path=None, target=None):
        if name in PACKAGE:
            return importlib.machinery.ModuleSpec(name, self, is_package=name in ("trained", "trained.deep"))
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        code = compile(PACKAGE[module.__name__], "<%s>" % module.__name__, "exec")
        exec(marshal.loads(marshal.dumps(code)), module.__dict__)


def in_memory(n):
    finder = Memory()
    sys.meta_path.insert(0, finder)
    total = 0
    try:
        for i in range(n):
            trained = importlib.import_module("trained")
            total += trained.left.use(i) + trained.shared(1) + len(trained.deep.down.anything)
            importlib.reload(trained.left)
            from trained.left import use
            import trained.deep.down as down

            total += use(1) + down.LEVEL
            try:
                from trained import absent
            except ImportError as error:
                total += len(error.name)
            for name in PACKAGE:
                del sys.modules[name]
    finally:
        sys.meta_path.remove(finder)
    return total


def repeated(n):
    total = 0
    for _ in range(n):
        import json
        import os.path as path
        from collections import OrderedDict, deque

        total += len(json.__name__) + len(path.sep) + len(deque.__name__) + len(OrderedDict.__name__)
    return total


def looked_into(n):
    def sample(a, b: int = 2, *args, key: typing.Optional[str] = None, **more) -> typing.List[int]:
        return [a + b for _ in args if key]

    total = 0
    for i in range(n):
        signature = inspect.signature(sample)
        bound = signature.bind(1, 2, 3, key="k", z=i)
        bound.apply_defaults()
        total += len(bound.arguments) + len(str(signature)) % 7 + len(typing.get_type_hints(sample))
        total += sum(1 for _ in dis.get_instructions(sample)) % 5 + len(inspect.getmembers(Memory, inspect.isfunction)) + len(dir(Memory)) % 3
        total += sample.__code__.co_argcount + isinstance(typing.Dict[str, int], type) + len(inspect.getmro(Memory))
        module = types.ModuleType("made%d" % i)
        module.value = i
        total += module.value + len(vars(module)) + len(inspect.cleandoc("  a\n    b\n"))
    return total


def imported(names):
    """Returns those of names that could be imported."""
    found = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        found.append(name)
    return found


def run():
    results = [in_memory(120), repeated(20000), looked_into(120)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated in one version or another
        results += [imported(LIBRARY), imported(sorted(sys.builtin_module_names)), imported(EXTENSIONS)]
    return results
