package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
)

// mark begins the line that names a section of the transcripts. No line of a section begins so: all but the
// fixed labels and hexdumps is cleaned.
const mark = "=== "

// Transcripts gives all that was seen of every case and of its controls, as annotated hexdumps: one section
// for each case, after a line "=== <name>". The evidence of a Statement is the SHA-256 digest of such a
// section without that line.
func Transcripts(p *verify.Proof) ([]byte, error) {
	r, err := read(p)
	if err != nil {
		return nil, err
	}
	return r.transcripts(), nil
}

func (r *reading) transcripts() []byte {
	var b bytes.Buffer
	b.WriteString("tlsfloor transcripts, version 1\n")
	for _, one := range r.results {
		if one.Finding != nil {
			fmt.Fprintf(&b, "%s%s\n%s", mark, clean(one.Name), one.section())
		}
	}
	return b.Bytes()
}

// section is what was seen of one case.
func (r result) section() string {
	var b strings.Builder
	for _, s := range r.steps() {
		b.WriteString(s.text())
	}
	return b.String()
}

// text is one trial in lines.
func (s step) text() string {
	var b strings.Builder
	if s.Control != "" {
		fmt.Fprintf(&b, "\ncontrol: %s\n", s.Control)
	}
	fmt.Fprintf(&b, "tried: %s\nexpected: %s\n", s.Tried, s.Expected)
	if s.Happened == "" {
		b.WriteString("happened: it did not run\n")
		return b.String()
	}
	fmt.Fprintf(&b, "happened: %s\n", s.Happened)
	if s.Said != "" {
		fmt.Fprintf(&b, "the program said: %s\n", s.Said)
	}
	b.WriteString(s.Transcript)
	return b.String()
}

// sum is the SHA-256 digest of data in hex.
func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
