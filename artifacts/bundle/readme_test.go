package bundle

import (
	"strings"
	"testing"
)

func TestReadmeSaysWhatIsKnown(t *testing.T) {
	for want, advisories := range map[string]*Advisories{
		"Not looked up when this was made.":                                           nil,
		"5 advisories were read when this was made, and none":                         {Read: 5},
		"| openssl | 1.1.1d | CVE-1 | high | 1.1.1e, 1.1.1f | a \\| b |":              {Read: 1, Known: []Known{{"openssl", "1.1.1d", "CVE-1", "high", []string{"1.1.1e", "1.1.1f"}, "a | b", true}}},
		"| openssl | 1.1.1d | CVE-2 | low | not known: it names no version | words |": {Read: 1, Known: []Known{{Component: "openssl", Version: "1.1.1d", Advisory: "CVE-2", Severity: "low", Summary: "words"}}},
	} {
		w := &writer{Options: Options{Advisories: advisories}}
		if text := string(w.readme(&Index{Name: "n"})); !strings.Contains(text, want+"\n") && !strings.Contains(text, want+" ") {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
