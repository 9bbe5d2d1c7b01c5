package audit

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// soname is the library that a DT_NEEDED name stands for, "" for one that has nothing to do with TLS as far
// as is known.
func soname(name string) string {
	for _, c := range carriers {
		if strings.HasPrefix(name, c) {
			return "what " + name + " has"
		}
	}
	for _, l := range libraries {
		if l.soname != "" && strings.HasPrefix(name, l.soname) {
			return l.name
		}
	}
	return ""
}

// evidence is what is known of a file, or of a part of an archive.
type evidence struct {
	hits
	form    form
	data    []byte
	exports []string     // functions that are defined in it for others
	openSSL func() sight // what its data shows of OpenSSL; nil where that is no program
}

// form is where a library's code stands.
func (l library) form() form {
	if l.in == 0 {
		return native
	}
	return l.in
}

// inside are the stacks that a file has the code of.
func inside(e evidence) (all []Stack) {
	has := func(name string) bool {
		return slices.ContainsFunc(all, func(s Stack) bool { return s.Library == name })
	}
	for _, l := range libraries {
		switch {
		case l.form()&e.form == 0 || has(l.name) || !e.one(l.marks) || e.one(l.not):
			continue
		case l.name == "OpenSSL" && (has("LibreSSL") || has("BoringSSL") || has("AWS-LC")),
			l.name == other.name:
			continue
		}
		s := Stack{Library: l.name, Version: l.oldest(e.data), Verdict: l.verdict, Known: l.known}
		if l.name == "rustls" && s.Version == "" {
			continue // only the name of something
		}
		if l.name == "Go crypto/tls" {
			s.Version = goVersion(e.data)
		}
		l.refine(&s, e)
		if l.name == "OpenSSL" && s.Verdict == Unknown {
			s.Verdict, s.Known = openSSL(e)
		}
		all = append(all, s)
	}
	// An OpenSSL of which a static link has left no text of its own: the table of versions is in every one.
	if e.openSSL != nil && !has("OpenSSL") && !has("LibreSSL") && !has("BoringSSL") && !has("AWS-LC") &&
		e.openSSL().found {
		s := Stack{Library: "OpenSSL", Version: find(openSSLVersion, e.data)}
		s.Verdict, s.Known = openSSL(e)
		all = append(all, s)
	}
	if other.form()&e.form != 0 && e.one(other.marks) && !e.token() && len(all) == 0 {
		all = append(all, Stack{Library: other.name, Verdict: other.verdict, Known: other.known})
	}
	// One label more than what was recognised has is of a stack beside it.
	uncounted := func(s Stack) bool { return !slices.Contains(oneLabel, s.Library) }
	if e.form == native && len(all) > 0 && e.labels > len(all) && !slices.ContainsFunc(all, uncounted) {
		all = append(all, Stack{Library: other.name, Verdict: Unknown, Known: fmt.Sprintf(
			"it has the label of TLS's key derivation %d times, and of what was recognised in it %d have it",
			e.labels, len(all))})
	}
	return all
}

// tokenEntries are the functions by which a PKCS #11 token and a provider of OpenSSL's are known to whoever
// loads them.
var tokenEntries = []string{"NSC_GetFunctionList", "FC_GetFunctionList", "OSSL_provider_init"}

// token reports whether a file derives keys for another one's TLS: its text says so, and its functions do.
func (e evidence) token() bool {
	return e.one(other.not) && slices.ContainsFunc(e.exports, func(name string) bool {
		return slices.Contains(tokenEntries, name)
	})
}

// refine is what a library's version, functions and further marks say beyond its name.
func (l library) refine(s *Stack, e evidence) {
	known := l.since != "" && s.Version != ""
	if !e.one(l.low) && (e.one(l.without) && !known || known && !older(s.Version, l.since)) {
		s.Verdict, s.Known = Holds, l.name+" has nothing below TLS 1.2 since "+l.since
		return
	}
	if l.sure != nil && !e.one(l.sure) && s.Verdict == Holds {
		s.Verdict, s.Known = Unknown, "there is no more of "+l.name+" in it than a name"
	}
	if e.one(l.low) {
		s.Verdict, s.Known = Below, "it has "+l.name+"'s code for less than TLS 1.2"
	}
	if l.exports != nil {
		for _, name := range e.exports {
			if l.exports.MatchString(name) {
				s.Verdict, s.Known = Below, "it exports "+name
				return
			}
		}
	}
}

// older compares versions of three numbers.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m < n
		}
	}
	return len(x) < len(y)
}

// find is the version that a file gives, "" if it does not say.
func find(version *regexp.Regexp, data []byte) string {
	if version == nil {
		return ""
	}
	// A regular expression over a large file is slow: it is asked only where its beginning stands.
	literal, _ := version.LiteralPrefix()
	if literal == "" {
		return first(version.FindSubmatch(data))
	}
	for rest := data; ; {
		i := bytes.Index(rest, []byte(literal))
		if i < 0 {
			return ""
		}
		if v := first(version.FindSubmatch(rest[i:min(len(rest), i+200)])); v != "" {
			return v
		}
		rest = rest[i+len(literal):]
	}
}

// oldest is the version of a library in a file; where the verdict depends on it, the oldest that stands
// there.
func (l library) oldest(data []byte) string {
	found := find(l.version, data)
	if found == "" || l.since == "" {
		return found
	}
	for _, m := range l.version.FindAllSubmatch(data, -1) {
		if v := string(m[1]); older(v, found) {
			found = v
		}
	}
	return found
}

func first(match [][]byte) string {
	if len(match) < 2 {
		return ""
	}
	return string(match[1])
}

func goVersion(data []byte) string {
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(info.GoVersion, "go")
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
