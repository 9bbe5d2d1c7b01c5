package verify

import (
	"slices"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

func TestCasesAreWellFormed(t *testing.T) {
	for _, floor := range []Floor{TLS12, TLS13} {
		seen := map[string]bool{}
		for _, c := range ExpectedCases(floor, "3.5.7", "3.13.15") {
			if seen[c.Name] || c.Why == "" || len(c.Controls) == 0 || c.Want.Outcome == "" {
				t.Errorf("floor %s: %s: twice, or without why, control or outcome", floor, c.Name)
			}
			seen[c.Name] = true
			if c.Want.Outcome == Refused && c.Want.Reason == "" {
				t.Errorf("%s: a refusal without a reason", c.Name)
			}
			if c.Offer.Who.Weak() {
				t.Errorf("%s: tries a weak peer", c.Name)
			}
		}
	}
}

// Where a file is to be what lowers the guard, nothing else may: a switch overrides the file, and then the
// file is not tried.
func TestConfAlone(t *testing.T) {
	for _, floor := range []Floor{TLS12, TLS13} {
		tried := map[Act]bool{}
		for _, c := range ExpectedCases(floor, "3.5.7", "3.13.15") {
			if s := c.Offer.Setup; c.Offer.Who == OpenSSL && s.Conf {
				tried[c.Offer.Act] = true
				if s.Min != 0 || s.Level0 {
					t.Errorf("%s: %+v lowers by switches as well", c.Name, s)
				}
				if !slices.ContainsFunc(c.Controls, func(k Control) bool { return k.Offer.Who == WeakOpenSSL && k.Offer.Setup == s }) {
					t.Errorf("%s: no weak peer under the same file", c.Name)
				}
			}
		}
		if !tried[Serve] || !tried[Greet] {
			t.Errorf("floor %s: the file is not tried on both sides: %v", floor, tried)
		}
	}
}

// A client's bounds must not be empty, or it cannot fail.
func TestBoundsAreNotEmpty(t *testing.T) {
	for _, c := range ExpectedCases(TLS12, "3.5.7", "3.13.15") {
		if s := c.Offer.Setup; s.Max != 0 && s.Max < wire.TLS12 && (s.Min == 0 || s.Min > s.Max) {
			t.Errorf("%s: %+v leaves no version even to a weak peer", c.Name, s)
		}
	}
}
