package audit

import (
	"debug/elf"
	"encoding/binary"
	"regexp"
	"slices"
	"sync"
)

// methods are functions that speak one version below the floor and need no negotiation; who can call them has
// no floor. DTLS 1.0 is TLS 1.1 over datagrams (RFC 4347).
var methods = regexp.MustCompile(`^(SSLv3|TLSv1|TLSv1_1|DTLSv1)(_client|_server)?_method$`)

// ranks orders versions by what they are worth: DTLS counts versions down, and its 1.0 is TLS 1.1.
var ranks = map[uint64]int{0x0300: 0, 0x0301: 1, 0x0302: 2, 0x0100: 2, 0xfeff: 2, 0x0303: 3, 0xfefd: 3, 0x0304: 4, 0xfefc: 4}

var names = map[uint64]string{0x0300: "SSLv3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3", 0x0100: "DTLS 1.0", 0xfeff: "DTLS 1.0", 0xfefd: "DTLS 1.2", 0xfefc: "DTLS 1.3"}

// floorRank is that of TLS 1.2.
const floorRank = 3

// openSSL judges a copy of libssl by the code that it has for a version: methods for it alone among its
// symbols or its data, and its entries in the tables that versions are negotiated by (tls_version_table and
// dtls_version_table in ssl/statem/statem_lib.c, from 1.1.0 on). A table holds the versions, and the
// functions that make their methods: none where a version was left out.
func openSSL(e evidence) (Verdict, string) {
	for _, name := range e.exports {
		if methods.MatchString(name) {
			return Below, "it exports " + name
		}
	}
	var l sight
	if e.openSSL != nil {
		l = e.openSSL()
	}
	switch {
	case !l.found:
		return Unknown, "it has OpenSSL's libssl, and the table of versions was not found in it"
	case ranks[l.lowest] < floorRank:
		return Below, "its table of versions has " + names[l.lowest]
	case l.method != 0:
		return Below, "it has the code of a method for " + names[l.method] + " alone"
	}
	return Holds, "its table of versions begins with " + names[l.lowest]
}

// sight is what the data of a file shows of OpenSSL.
type sight struct {
	found  bool
	lowest uint64 // in any table, of those that are there
	method uint64 // a version below the floor that has a method of its own
}

func lazily(look func() sight) func() sight { return sync.OnceValue(look) }

// row is the size of a row of a table: the version in four bytes, four of padding, and two pointers.
const row = 24

// sight finds the tables and methods. Only files with pointers of eight bytes and little endian are read.
// What is looked at is bounded
// by the size of the file, however many segments claim the same bytes.
func (i *image) sight() (l sight) {
	if i.Class != elf.ELFCLASS64 || i.ByteOrder != binary.LittleEndian {
		return l
	}
	relocated, budget := sync.OnceValue(i.relocations), 4*uint64(len(i.data))
	for _, p := range i.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz > budget {
			continue
		}
		budget -= p.Filesz
		l.search(i.part(p.Off, p.Filesz), func(at int) bool { return relocated()[p.Vaddr+uint64(at)] })
	}
	return l
}

// search looks at one part, in which relocated says where the loader or the linker fills in an address.
func (l *sight) search(part []byte, relocated func(at int) bool) {
	set := func(at int) bool {
		return at+8 <= len(part) && (binary.LittleEndian.Uint64(part[at:]) != 0 || relocated(at))
	}
	for i := 0; i+row <= len(part); i += 8 {
		if part[i+1] != 3 && part[i+1] != 0xfe {
			continue
		}
		if versions := table(part[i:]); len(versions) > 0 {
			l.take(versions, func(k, offset int) bool { return set(i + k*row + offset) })
			i += len(versions)*row - 8
		} else if v := single(part[i:]); v != 0 && consecutive(set, i+16, 6) {
			l.method = v
		}
	}
}

// take notes the versions of a table that have methods. A table without any is none.
func (l *sight) take(versions []uint64, set func(k, offset int) bool) {
	for k, v := range versions {
		if !set(k, 8) && !set(k, 16) {
			continue
		}
		if !l.found || ranks[v] < ranks[l.lowest] || ranks[v] == ranks[l.lowest] && v < l.lowest {
			l.lowest = v
		}
		l.found = true
	}
}

// orders are the versions of the tables, newest first.
var orders = [][]uint64{{0x0304, 0x0303, 0x0302, 0x0301, 0x0300}, {0xfefc, 0xfefd, 0xfeff, 0x0100}}

// table reads the versions of rows that go down one by one to a last row of 0; nil if part begins with no
// such table.
func table(part []byte) []uint64 {
	for _, order := range orders {
		start := slices.Index(order, binary.LittleEndian.Uint64(part))
		if start < 0 || start > 1 {
			continue
		}
		for n := 0; (n+1)*row <= len(part); n++ {
			v := binary.LittleEndian.Uint64(part[n*row:])
			if v == 0 && n >= 2 {
				return order[start : start+n]
			}
			if start+n >= len(order) || v != order[start+n] {
				break
			}
		}
	}
	return nil
}

// masks are the options that switch a version off (SSL_OP_NO_...): a method for that version alone has its
// own beside the version (struct ssl_method_st in ssl/ssl_local.h: version, flags, mask, functions).
var masks = map[uint32]uint64{0x0300: 0x02000000, 0x0301: 0x04000000, 0x0302: 0x10000000, 0xfeff: 0x04000000}

// single is the version of such a method, 0 for anything else.
func single(part []byte) uint64 {
	version, flags, mask := binary.LittleEndian.Uint32(part), binary.LittleEndian.Uint32(part[4:]), binary.LittleEndian.Uint64(part[8:])
	if masks[version] != 0 && masks[version] == mask && flags < 0x10 {
		return uint64(version)
	}
	return 0
}

func consecutive(set func(int) bool, at, n int) bool {
	for k := range n {
		if !set(at + 8*k) {
			return false
		}
	}
	return true
}
