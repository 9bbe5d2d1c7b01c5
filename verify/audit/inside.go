package audit

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kindOf is a TLS implementation, known by text that only its code has.
type kindOf struct {
	library string
	soname  string   // the beginning of the name of its shared library
	marks   []string // each has to be in the file; written with a bar in it, so that it does not stand in this program
	version *regexp.Regexp
	verdict Verdict // of every version, unless judge knows more
	known   string
}

// kinds are in the order in which they are looked for: one that has another's text comes first.
var kinds = []kindOf{
	{library: "BoringSSL", marks: []string{"(co|mpatible; BoringSSL)"}, verdict: Below, known: "BoringSSL has TLS 1.0 and 1.1 in every build"},
	{library: "AWS-LC", marks: []string{"(co|mpatible; AWS-LC"}, version: regexp.MustCompile(`AWS-LC (?:FIPS )?(\d+\.\d+\.\d+)`), verdict: Below, known: "AWS-LC has TLS 1.0 and 1.1 in every build"},
	{library: "LibreSSL", marks: []string{"Lib|reSSL ", "SSL|v3 write client hello A"}, version: regexp.MustCompile(`LibreSSL (\d+\.\d+\.\d+)`), verdict: Unknown, known: "LibreSSL before 3.8 has TLS 1.0 and 1.1"},
	{library: "OpenSSL", soname: "libssl.so", marks: []string{"SSL|v3/TLS write client hello"}, version: openSSLVersion, verdict: Unknown},
	{library: "OpenSSL", soname: "libssl.so", marks: []string{"SSL|v3 write client hello A"}, version: openSSLVersion, verdict: Below, known: "OpenSSL before 1.1.0 chooses its lowest version at run time"},
	{library: "GnuTLS", soname: "libgnutls.so", marks: []string{"Ena|bled GnuTLS "}, version: regexp.MustCompile(`Enabled GnuTL[S] (\d+\.\d+\.\d+)`), verdict: Below, known: "GnuTLS has TLS 1.0 and 1.1 in every build; priorities decide"},
	{library: "NSS", soname: "libssl3.so", marks: []string{"SSL|_VersionRangeSetDefault", "Ver|sion: NSS "}, version: regexp.MustCompile(`Version: NS[S] (\d+\.\d+(?:\.\d+)?)`), verdict: Below, known: "NSS has TLS 1.0 and 1.1 in every build; version ranges decide"},
	{library: "mbed TLS", soname: "libmbedtls.so", marks: []string{"mbe|dtls_ssl_handshake"}, version: regexp.MustCompile(`mbed TLS (\d+\.\d+\.\d+)`), verdict: Unknown, known: "Mbed TLS before 3.0 may have TLS 1.0 and 1.1"},
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
		if slices.ContainsFunc(all, func(s Stack) bool { return s.Library == k.library || s.Library == "LibreSSL" && k.library == "OpenSSL" }) || !k.in(data) {
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
	if !slices.ContainsFunc(all, func(s Stack) bool { return strings.HasSuffix(s.Library, "SSL") }) { // OpenSSL, LibreSSL, BoringSSL
		if s, ok := hidden(e, data); ok {
			all = append(all, s)
		}
	}
	if s, ok := golang(path, data); ok {
		all = append(all, s)
	}
	return all
}

func (k kindOf) in(data []byte) bool {
	for _, m := range k.marks {
		if !bytes.Contains(data, []byte(strings.Replace(m, "|", "", 1))) {
			return false
		}
	}
	return true
}

// find is the version, "" if it does not say.
func (k kindOf) find(data []byte) string {
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

// String is a stack in a few words.
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
