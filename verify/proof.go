package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"time"
)

// Finding is one case with all that was seen of it. Skipped, when set, says why it was left out.
type Finding struct {
	Case     Case    `json:"case"`
	Status   Status  `json:"status"`
	Reason   string  `json:"reason,omitempty"` // why it is not Pass
	Skipped  string  `json:"skipped,omitempty"`
	Trial            // of the case's Offer
	Controls []Trial `json:"controls"` // in the order of Case.Controls
}

// Tested is a file that the proof speaks of.
type Tested struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"` // empty: it could not be read
}

// Proof is a run's state, its JSON and its page. The zero Proof is Unproven.
type Proof struct {
	Time           time.Time   `json:"time"` // UTC, whole seconds; outside of the verdict
	Status         Status      `json:"status"`
	Kind           Kind        `json:"kind,omitempty"`
	Subject        string      `json:"subject,omitempty"` // the command or address that was tried, where that is no file
	Floor          Floor       `json:"floor"`
	OpenSSLVersion string      `json:"openssl_version"`
	PythonVersion  string      `json:"python_version"`
	Libraries      []Installed `json:"libraries,omitempty"` // of Python, tried beside its ssl module
	Subjects       []Tested    `json:"subjects"`
	Controls       []Tested    `json:"controls"`           // the weak peers
	Executed       []Executed  `json:"executed,omitempty"` // what ran, by digest: outside of the verdict
	Findings       []Finding   `json:"findings"`
	Hosts          []Host      `json:"hosts,omitempty"` // the host's own programs: outside of status and verdict
}

// identify hashes the tested files: the toolchain's, and the weak peers apart.
func (c *court) identify(ctx context.Context) (subjects, controls []Tested) {
	t := c.Toolchain
	tested := func(name, path string) Tested {
		return Tested{name, path, fileDigest(c.Locate(path))}
	}
	if c.Kind == KindToolchain || c.Kind == KindOpenSSL {
		subjects = append(subjects, tested("openssl", t.OpenSSL))
		for _, file := range c.libraries(ctx, t.OpenSSL, t.OpenSSLPrefix) {
			subjects = append(subjects, tested(filepath.Base(file), file))
		}
	}
	if c.Kind == KindToolchain || c.Kind == KindPython {
		subjects = append(append(subjects, tested("python", t.Python)), c.extensions()...)
		subjects = append(subjects, c.modules(ctx, subjects)...)
		for _, file := range t.Objects {
			subjects = append(subjects, tested(filepath.Base(file), file))
		}
	}
	if t.Module != "" {
		subjects = append(subjects, tested("_ssl", t.Module))
	}
	controls = []Tested{tested("weak openssl", t.WeakOpenSSL)}
	if c.Kind == KindToolchain || c.Kind == KindPython {
		controls = append(controls, tested("weak _ssl", t.WeakSSL))
	}
	if t.WeakPython != t.Python && t.WeakPython != "" {
		controls = append(controls, tested("weak python", t.WeakPython))
	}
	return subjects, controls
}

// extensions are the Python's extension modules, which may hold OpenSSL as well as the interpreter does.
// Their paths are compiled-in ones, as Python's is.
func (c *court) extensions() (modules []Tested) {
	located := c.Locate(c.Toolchain.Python)
	files, err := pythonFiles(located)
	if err != nil {
		return nil // then the Python itself has no digest
	}
	for _, file := range files[1:] {
		path := file
		if rel, err := filepath.Rel(filepath.Dir(located), file); err == nil {
			path = filepath.Join(filepath.Dir(c.Toolchain.Python), rel)
		}
		modules = append(modules, Tested{filepath.Base(file), path, fileDigest(file)})
	}
	return modules
}

func fileDigest(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// settle judges every finding and then the whole.
func (p *Proof) settle() {
	for i := range p.Findings {
		p.Findings[i].settle(p.Floor)
	}
	p.conclude()
}

// settle takes what was shown from the reports and transcripts, and judges it.
func (fi *Finding) settle(f Floor) {
	fi.Trial = fi.Trial.observe(fi.Case.Offer)
	for i := range min(len(fi.Controls), len(fi.Case.Controls)) {
		fi.Controls[i] = fi.Controls[i].observe(fi.Case.Controls[i].Offer)
	}
	fi.Status, fi.Reason = fi.judge(f)
}

// conclude gives the status of the whole.
func (p *Proof) conclude() {
	p.Status = Unproven
	switch {
	case p.Breached():
		p.Status = Fail
	case p.Complete():
		p.Status = Pass
	case p.count(Skip) > 0 && p.count(Unproven) == 0:
		p.Status = Skip
	}
}

// Expected lists the cases that the proof must hold.
func (p *Proof) Expected() []Case {
	return CasesOf(p.Kind, p.Floor, p.OpenSSLVersion, p.PythonVersion, p.Libraries...)
}

// Breached reports whether some case Failed.
func (p *Proof) Breached() bool { return p.count(Fail) > 0 }

// Complete reports whether every expected case is there, once and as expected, with a verdict of Pass, Fail
// or Warned, and every tested file could be hashed.
func (p *Proof) Complete() bool {
	expected := p.Expected()
	if len(expected) == 0 || len(p.Findings) != len(expected) {
		return false
	}
	for i, c := range expected {
		f := p.Findings[i]
		if !reflect.DeepEqual(f.Case, c) || f.Status != Pass && f.Status != Fail && f.Status != Warned {
			return false
		}
	}
	for _, t := range append(p.Subjects[:len(p.Subjects):len(p.Subjects)], p.Controls...) {
		if t.SHA256 == "" {
			return false
		}
	}
	return (len(p.Subjects) > 0 || p.Kind.Nameless()) && len(p.Controls) > 0
}

func (p *Proof) count(s Status) (n int) {
	for _, f := range p.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// Summary is the result in one line.
func (p *Proof) Summary() string {
	s := fmt.Sprintf("TLS floor %s: %s, %d of %d cases pass", p.Floor, p.Status, p.count(Pass),
		len(p.Expected()))
	for _, status := range []Status{Warned, Fail, Unproven, Skip} {
		if n := p.count(status); n > 0 {
			s += fmt.Sprintf(", %d %s", n, status)
		}
	}
	return s
}

// UnmarshalJSON reads a stored proof and judges it again: what it says of itself is not believed.
func (p *Proof) UnmarshalJSON(data []byte) error {
	type plain Proof
	if err := json.Unmarshal(data, (*plain)(p)); err != nil {
		return err
	}
	p.settle()
	return nil
}

// Verdict is the proof without what differs from run to run: the same bytes for the same behaviour. One line
// per case: status, name, what happened; then one indented line per control.
func (p *Proof) Verdict() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tlsfloor verdict, version 2\n%sfloor %s\nopenssl %s\npython %s\n", p.Kind.line(), p.Floor, p.OpenSSLVersion, p.PythonVersion)
	for _, l := range p.Libraries {
		fmt.Fprintf(&b, "library %s %s\n", l.Library, l.Version)
	}
	fmt.Fprintf(&b, "status %s\n", p.Status)
	line := func(indent, name string, t Trial, w Want) {
		if indent != "" {
			t.Got.Facts = nil // what a weak peer has depends on the host's C library and linker
		}
		fmt.Fprintf(&b, "%s%s: %s", indent, name, t.Got)
		if len(t.Got.Offered) > 0 {
			fmt.Fprintf(&b, ", offered %v", t.Got.Offered)
		}
		if w.Hello != 0 {
			fmt.Fprintf(&b, ", hello of %d bytes", t.Got.Hello)
		}
		b.WriteByte('\n')
	}
	for _, f := range p.Findings {
		line("", f.Status.String()+" "+f.Case.Name, f.Trial, f.Case.Want)
		for i := range min(len(f.Controls), len(f.Case.Controls)) {
			line("  ", "control, "+f.Case.Controls[i].Name, f.Controls[i], f.Case.Controls[i].Want)
		}
	}
	return b.Bytes()
}
