// Package cacerts makes the list of CA certificates that an OpenSSL trusts by default, its cert.pem, out of
// the host's bundle, Mozilla's list and a site's own CAs.
//
// What it promises:
//
//   - Nothing is dropped without a word: what cannot be read of a host's bundle is named, and a site's own file with anything in it
//     that is no certificate is refused. A private key never gets into a list.
//   - A certificate is known by the SHA-256 digest of its DER bytes. Two with equal names are two: so a new CA stands beside the
//     old one of the same name until the old one is removed.
//   - The same certificates from the same sources give the same bytes, in whatever order they came.
//   - Text out of a certificate is written as short lines of ASCII: OpenSSL reads a bundle in pieces of 254 bytes, and a piece of a
//     name that begins like a certificate would be taken for one.
//
// Mozilla's list (certdata.txt) says more than a bundle can. Of it only the roots that are trusted to name
// servers are taken. A date after which a root may issue no more server certificates becomes a comment:
// OpenSSL has no place for it. Distrust of other certificates than roots is lost, as it is in every
// distribution's bundle.
package cacerts

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// Source says where a certificate comes from.
type Source string

// The sources.
const (
	Host    Source = "host"    // the bundle of the distribution
	Mozilla Source = "mozilla" // the pinned list
	Site    Source = "site"    // added by the people of the site
)

// Anchor is one trusted certificate.
type Anchor struct {
	Cert    *x509.Certificate
	Sources []Source // sorted
	Note    string   // what its source says about it beyond the certificate
}

// List is sorted by subject and digest, and has no certificate twice.
type List []Anchor

// Of makes a list of certificates of one source.
func Of(source Source, certs ...*x509.Certificate) List {
	var l List
	for _, c := range certs {
		l = append(l, Anchor{Cert: c, Sources: []Source{source}})
	}
	return Merge(l)
}

// Merge makes one list of several. Who is in two of them has the sources of both.
func Merge(lists ...List) List {
	byDigest := map[digest.Digest]Anchor{}
	for _, a := range slices.Concat(lists...) {
		d := a.Digest()
		had := byDigest[d]
		sources := slices.Concat(had.Sources, a.Sources)
		slices.Sort(sources)
		byDigest[d] = Anchor{Cert: a.Cert, Sources: slices.Compact(sources), Note: cmp.Or(had.Note, a.Note)}
	}
	byName := map[string]Anchor{} // made once: a name takes long to write
	for d, a := range byDigest {
		byName[a.Subject()+"\n"+d.String()] = a
	}
	var out List
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out
}

// From returns what source has in the list, as of no other source.
func (l List) From(source Source) List {
	var out List
	for _, a := range l {
		if !a.Has(source) {
			continue
		}
		a.Sources = []Source{source}
		if source != Mozilla { // nobody else says more than the certificate does
			a.Note = ""
		}
		out = append(out, a)
	}
	return out
}

// Without returns the list as if source had never had these certificates.
func (l List) Without(source Source, gone ...digest.Digest) List {
	var out List
	for _, a := range l {
		if slices.Contains(gone, a.Digest()) {
			a.Sources = slices.DeleteFunc(slices.Clone(a.Sources), func(s Source) bool { return s == source })
		}
		if len(a.Sources) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// Get returns the certificate with this digest.
func (l List) Get(d digest.Digest) (Anchor, bool) {
	i := slices.IndexFunc(l, func(a Anchor) bool { return a.Digest() == d })
	if i < 0 {
		return Anchor{}, false
	}
	return l[i], true
}

// Has reports whether source is one of a's.
func (a Anchor) Has(source Source) bool { return slices.Contains(a.Sources, source) }

// Digest is the SHA-256 digest of the certificate's DER bytes.
func (a Anchor) Digest() digest.Digest { return digest.Of(a.Cert.Raw) }

// Subject names the certificate as RFC 2253 does, in ASCII.
func (a Anchor) Subject() string {
	name := a.Cert.Subject.String()
	if name == "" {
		return "(no subject)"
	}
	return plain(name)
}

// Origin lists the sources, for people.
func (a Anchor) Origin() string {
	var names []string
	for _, s := range a.Sources {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// Expired reports whether the certificate is past its last day at that time.
func (a Anchor) Expired(at time.Time) bool { return at.After(a.Cert.NotAfter) }

// plain writes text in one line of ASCII.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if ' ' <= r && r <= '~' {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

const header = `# What this OpenSSL trusts by default. tlsfloor makes this file: trust:add and trust:remove change it, what is written here by
# hand is lost.
`

// PEM writes the bundle: before each certificate its subject, where it comes from, its last day, its digest.
// The same list has to give the same bytes in every version of tlsfloor: the digest in a site's trust.json is
// held against them.
func (l List) PEM() []byte {
	var b bytes.Buffer
	b.WriteString(header)
	for _, a := range l {
		b.WriteByte('\n')
		comment(&b, a.Subject())
		comment(&b, fmt.Sprintf("source: %s; expires: %s; sha256: %s", a.Origin(), a.Cert.NotAfter.UTC().Format(time.DateOnly), a.Digest()))
		if a.Note != "" {
			comment(&b, a.Note)
		}
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: a.Cert.Raw}) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// longest is how much of a comment OpenSSL reads as the one line that it is.
const longest = 200

func comment(b *bytes.Buffer, text string) {
	text = plain(text)
	if len(text) > longest {
		text = text[:longest]
	}
	b.WriteString("# " + text + "\n")
}

// anchorFile is an Anchor as it is kept.
type anchorFile struct {
	Subject string   `json:"subject"` // for people; not read
	Sources []Source `json:"sources"`
	Note    string   `json:"note,omitempty"`
	DER     []byte   `json:"der"`
}

// MarshalJSON keeps the certificate as its DER bytes.
func (a Anchor) MarshalJSON() ([]byte, error) {
	return json.Marshal(anchorFile{a.Subject(), a.Sources, a.Note, a.Cert.Raw})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Anchor) UnmarshalJSON(b []byte) error {
	var f anchorFile
	err := json.Unmarshal(b, &f)
	if err != nil {
		return err
	}
	a.Sources, a.Note = f.Sources, f.Note
	a.Cert, err = x509.ParseCertificate(f.DER)
	return err
}
