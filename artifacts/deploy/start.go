package deploy

import (
	"path"
	"regexp"
	"strings"
)

// The index can be made to vouch for any file by whoever may write to it. So it vouches for no byte of what
// the interpreter's start, `import ssl` and `import hashlib` load, and OpenSSL's own start: that is read each
// time. It is about 30 MB, most of it the two programs.

// startModules are the modules of the standard library, packages and extensions among them, that CPython 3.9
// to 3.13 load for that. TestStartModules holds the list against an interpreter.
var startModules = setOf(`__future__ _bootlocale _collections_abc _colorize _py_abc _sitebuiltins
	_weakrefset abc base64 binascii calendar codecs collections contextlib copyreg datetime _pydatetime enum
	functools genericpath hashlib heapq hmac importlib io keyword locale operator os pkgutil posixpath re
	reprlib runpy selectors site socket sre_compile sre_constants sre_parse ssl stat stringprep struct types
	warnings weakref zipimport
	_blake2 _datetime _hashlib _heapq _locale _md5 _sha1 _sha2 _sha256 _sha3 _sha512 _socket _ssl _struct array
	math select unicodedata zlib`)

// startEncodings are those of its package encodings that it does not take by the name of an odd locale.
var startEncodings = setOf(`__init__ aliases ascii idna latin_1 punycode utf_8 utf_8_sig`)

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

var (
	startOfPython  = regexp.MustCompile(`^(bin/python[0-9.]*[a-z]*|lib/libpython[^/]*\.so[^/]*)$`)
	startOfOpenSSL = regexp.MustCompile(`^(bin/openssl|ssl/openssl\.cnf|lib(64)?/lib(ssl|crypto)\.so[^/]*)$`)
	libraryFile    = regexp.MustCompile(`^lib/python3\.[0-9]+[a-z]*/(?:lib-dynload/)?(.+)$`)
)

// loadedAtStart reports whether a file of a component's tree is one of those.
func loadedAtStart(component, inside string) bool {
	if component == "openssl" {
		return startOfOpenSSL.MatchString(inside)
	}
	m := libraryFile.FindStringSubmatch(inside)
	if m == nil {
		return startOfPython.MatchString(inside)
	}
	name, _, _ := strings.Cut(path.Base(inside), ".") // ssl of ssl.cpython-313.pyc
	top, _, below := strings.Cut(m[1], "/")
	switch {
	case top == "encodings":
		return startEncodings[name]
	case below && top != "__pycache__":
		return startModules[top]
	}
	return startModules[name]
}
