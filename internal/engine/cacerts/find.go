package cacerts

import (
	"fmt"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Find returns the one certificate that is meant: by its subject or common name, by its digest, or by both.
// The beginning of either is enough where only one certificate begins so.
func (l List) Find(subject, sha256 string) (Anchor, error) {
	if subject == "" && sha256 == "" {
		return Anchor{}, fault.New(fault.Usage, "-subject=<its name> or -sha256=<its digest>; `trust:list` prints both", "no certificate is named")
	}
	wanted := strings.TrimSpace(subject + " " + sha256)
	sha256 = strings.ToLower(strings.ReplaceAll(sha256, ":", ""))
	var exact, begins List
	for _, a := range l {
		if !strings.HasPrefix(a.Digest().String(), sha256) {
			continue
		}
		names := []string{a.Subject(), plain(a.Cert.Subject.CommonName)}
		switch {
		case subject == "" || names[0] == subject || names[1] == subject:
			exact = append(exact, a)
		case strings.HasPrefix(names[0], subject) || strings.HasPrefix(names[1], subject):
			begins = append(begins, a)
		}
	}
	found := exact
	if len(found) == 0 {
		found = begins
	}
	switch len(found) {
	case 0:
		return Anchor{}, fault.New(fault.Usage, "`trust:list` prints what was added", "no certificate of yours is %q", wanted)
	case 1:
		return found[0], nil
	}
	var which []string
	for _, a := range found {
		which = append(which, fmt.Sprintf("-sha256=%s (%s, expires %s)", a.Digest().Short(), a.Subject(), a.Cert.NotAfter.UTC().Format("2006-01-02")))
	}
	return Anchor{}, fault.New(fault.Usage, "say which: "+strings.Join(which, "; "), "%d certificates of yours are %q", len(found), wanted)
}
