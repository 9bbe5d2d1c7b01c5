package audit

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kind is a TLS implementation, known by text that only its code has.
type kind struct {
	library string
	soname  string   // the beginning of the name of its shared library
	marks   []string // each has to be in the file; written with a bar in it, so that it does not stand in this program
	version *regexp.Regexp
	verdict Verdict // of every version, unless judge knows more
	known   string
}

// kinds are in the order in which they are looked for: one that has another's text comes first.
var kinds = []kind{
	{library: "BoringSSL", marks: []string{"(co|mpatible; BoringSSL)"}, verdict: Below, known: "BoringSSL has TLS 1.0 and 1.1 in every build"},
	{library: "AWS-LC", marks: []string{"(co|mpatible; AWS-LC"}, version: regexp.MustCompile(`AWS-LC (?:FIPS )?(\d+\.\d+\.\d+)`), verdict: Below, known: "AWS-LC has TLS 1.0 and 1.1 in every build"},
	{library: "LibreSSL", marks: []string{"Lib|reSSL ", "SSL|v3 write client hello A"}, version: regexp.MustCompile(`LibreSSL (\d+\.\d+\.\d+)`), verdict: Unknown, known: "LibreSSL before 3.8 has TLS 1.0 and 1.1"},
	{library: "OpenSSL", soname: "libssl.so", marks: []string{"SSL|v3/TLS write client hello"}, version: openSSLVersion, verdict: Unknown},
	{library: "OpenSSL", soname: "libssl.so", marks: []string{"SSL|v3 write client hello A", "Ope|nSSL 1.0"}, version: openSSLVersion, verdict: Below, known: "OpenSSL 1.0 chooses its lowest version at run time"},
	{library: "GnuTLS", soname: "libgnutls.so", marks: []string{"Ena|bled GnuTLS "}, version: regexp.MustCompile(`Enabled GnuTL[S] (\d+\.\d+\.\d+)`), verdict: Below, known: "GnuTLS has TLS 1.0 and 1.1 in every build; priorities decide"},
	{library: "NSS", soname: "libssl3.so", marks: []string{"SSL|_VersionRangeSetDefault", "Ver|sion: NSS "}, version: regexp.MustCompile(`Version: NS[S] (\d+\.\d+(?:\.\d+)?)`), verdict: Below, known: "NSS has TLS 1.0 and 1.1 in every build; version ranges decide"},
	{library: "mbed TLS", soname: "libmbedtls.so", marks: []string{"mbe|d TLS ", "mbe|dtls_ssl"}, version: regexp.MustCompile(`mbed TLS (\d+\.\d+\.\d+)`), verdict: Unknown, known: "Mbed TLS before 3.0 may have TLS 1.0 and 1.1"},
	{library: "wolfSSL", soname: "libwolfssl.so", marks: []string{"wol|fSSL_CTX_new"}, verdict: Unknown, known: "it depends on how it was configured"},
	{library: "s2n-tls", soname: "libs2n.so", marks: []string{"s2n|_negotiate", "s2n|_client_hello"}, verdict: Below, known: "s2n-tls has TLS 1.0 and 1.1 in every build; security policies decide"},
	{library: "rustls", marks: []string{"rus|tls-"}, version: rustlsPath, verdict: Holds, known: "rustls never had anything below TLS 1.2"},
}

var (
	openSSLVersion = regexp.MustCompile(`OpenSSL (\d+\.\d+\.\d+[a-z]*)[ -][^\x00]{0,40}20\d\d`)
	// rustls stands in the paths of its panics: .../rustls-0.21.10/src/...
	rustlsPath = regexp.MustCompile(`/rustls-(\d+\.\d+\.\d+[^/\x00]{0,20})/src/`)
	debianRust = regexp.MustCompile(`rustls-(\d+\.\d+\.\d+)/src`)
)

// carriers are libraries that bring a TLS stack along, in which one only a look at them tells.
var carriers = []string{"libcurl", "libpq.so", "libldap", "libmariadb", "libmysqlclient", "libgrpc", "libnode", "librdkafka", "libneon", "libQt5Network", "libQt6Network", "libsoup", "libgit2"}

// soname is the library that a DT_NEEDED name stands for, "" for one that has nothing to do with TLS as far as is known.
func soname(name string) string {
	for _, c := range carriers {
		if strings.HasPrefix(name, c) {
			return "what " + name + " has"
		}
	}
	for _, k := range kinds {
		if k.soname != "" && strings.HasPrefix(name, k.soname) {
			return k.library
		}
	}
	return ""
}

// inside are the stacks that a file has the code of.
func inside(path string, e *elf.File, data []byte) (all []Stack) {
	for _, k := range kinds {
		if slices.ContainsFunc(all, func(s Stack) bool { return s.Library == k.library }) || !k.in(data) {
			continue
		}
		s := Stack{Library: k.library, Verdict: k.verdict, Known: k.known, Version: k.find(data)}
		if k.library == "rustls" && s.Version == "" {
			continue // only the name of something
		}
		if k.library == "OpenSSL" && s.Verdict == Unknown {
			s.Verdict, s.Known = openSSL(e, data)
		}
		all = append(all, s)
	}
	if s, ok := hidden(e, data); ok && len(all) == 0 {
		all = append(all, s)
	}
	if s, ok := golang(path, data); ok {
		all = append(all, s)
	}
	return all
}

func (k kind) in(data []byte) bool {
	for _, m := range k.marks {
		if !bytes.Contains(data, []byte(strings.Replace(m, "|", "", 1))) {
			return false
		}
	}
	return true
}

// find is the version, "" if it does not say.
func (k kind) find(data []byte) string {
	if k.version == nil {
		return ""
	}
	// A regular expression over a large file is slow: it is asked only where its beginning stands.
	literal, _ := k.version.LiteralPrefix()
	for rest := data; ; {
		i := bytes.Index(rest, []byte(literal))
		if i < 0 {
			return ""
		}
		window := rest[i:min(len(rest), i+200)]
		if m := k.version.FindSubmatch(window); m != nil {
			return string(m[1])
		}
		rest = rest[i+len(literal):]
	}
}

// golang is Go's crypto/tls, which a Go program brings along.
func golang(path string, data []byte) (Stack, bool) {
	if !bytes.Contains(data, []byte("crypto/tls."+"(*Conn)."+"clientHandshake")) { // which this program has of its own

		return Stack{}, false
	}
	s := Stack{Library: "Go crypto/tls", Verdict: Below, Known: "crypto/tls has TLS 1.0 and 1.1 in every build; before Go 1.22 servers take them by default, and MinVersion or GODEBUG bring them back"}
	if info, err := buildinfo.Read(bytes.NewReader(data)); err == nil {
		s.Version = strings.TrimPrefix(info.GoVersion, "go")
	}
	return s, true
}

// methods are functions that speak one version below the floor and need no negotiation; who can call them has no floor.
var methods = regexp.MustCompile(`^(SSLv3|TLSv1|TLSv1_1)(_client|_server)?_method$`)

// openSSL judges a copy of libssl by what it must have for a version: its fixed-version methods among the exported symbols, and its entry in the
// table that versions are negotiated by (tls_version_table in ssl/statem/statem_lib.c, 1.1.0 to 3.6). That table holds the version, and the functions that
// make its methods: none where the version was left out.
func openSSL(e *elf.File, data []byte) (Verdict, string) {
	symbols, _ := e.DynamicSymbols()
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && methods.MatchString(s.Name) {
			return Below, "it exports " + s.Name
		}
	}
	lowest, ok := lowestOf(e, data)
	switch {
	case !ok:
		return Unknown, "it has OpenSSL's libssl, and the table of versions was not found in it"
	case lowest < 0x0303:
		return Below, "its table of versions has " + names[lowest]
	}
	return Holds, "its table of versions begins with " + names[lowest]
}

// hidden is an OpenSSL of which a static link has left no text of its own: the table of versions is in every one.
func hidden(e *elf.File, data []byte) (Stack, bool) {
	if _, ok := lowestOf(e, data); !ok {
		return Stack{}, false
	}
	s := Stack{Library: "OpenSSL", Version: kind{version: openSSLVersion}.find(data)}
	s.Verdict, s.Known = openSSL(e, data)
	return s, true
}

var names = map[uint32]string{0x0300: "SSLv3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}

// lowestOf finds the table of versions, and in it the lowest one that is there. Rows are of 24 bytes: the version in four, four of padding, and
// two pointers; the last row's version is 0. Only the two architectures with pointers of eight bytes and little endian are read.
func lowestOf(e *elf.File, data []byte) (lowest uint32, found bool) {
	if e.Class != elf.ELFCLASS64 || e.ByteOrder != binary.LittleEndian {
		return 0, false
	}
	const row = 24
	var relocated map[uint64]bool // made when something looks like the table
	for _, s := range e.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 || s.Offset+s.Size > uint64(len(data)) || s.Size < row {
			continue
		}
		part := data[s.Offset : s.Offset+s.Size]
		for i := 0; i+6*row <= len(part); i += 8 {
			if part[i] != 4 || part[i+1] != 3 || !isTable(part[i:], row) {
				continue
			}
			if relocated == nil {
				relocated = relocations(e, data)
			}
			for k := range 5 {
				at := i + k*row
				version := binary.LittleEndian.Uint32(part[at:])
				set := func(offset int) bool {
					return binary.LittleEndian.Uint64(part[at+offset:]) != 0 || relocated[s.Addr+uint64(at+offset)]
				}
				if set(8) || set(16) {
					lowest, found = version, true
				}
			}
			if found {
				return lowest, true
			}
		}
	}
	return 0, false
}

// isTable reports whether part begins with the rows of TLS 1.3 down to SSLv3.
func isTable(part []byte, row int) bool {
	for k, version := range []uint64{0x0304, 0x0303, 0x0302, 0x0301, 0x0300, 0} {
		if binary.LittleEndian.Uint64(part[k*row:]) != version {
			return false
		}
	}
	return true
}

// relocations are the addresses that the loader fills in with an address of the file's own (System V ABI, Relocation). Packed ones (RELR)
// are not among them: what they fill in is not zero in the file.
func relocations(e *elf.File, data []byte) map[uint64]bool {
	const entry = 24
	all := map[uint64]bool{}
	for _, s := range e.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 || s.Offset+s.Size > uint64(len(data)) {
			continue
		}
		for b := data[s.Offset : s.Offset+s.Size]; len(b) >= entry; b = b[entry:] {
			all[binary.LittleEndian.Uint64(b)] = true
		}
	}
	return all
}

// describe is a stack in a few words.
func (s Stack) String() string {
	text := strings.TrimSpace(s.Library + " " + s.Version)
	if len(s.Via) > 0 {
		var names []string
		for _, path := range s.Via {
			names = append(names, filepath.Base(path))
		}
		text += " by " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s: %s", text, s.Known)
}
