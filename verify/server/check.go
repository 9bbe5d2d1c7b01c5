package server

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Check is the answer of howsmyssl's /a/check, by its documented keys and rules
// (https://www.howsmyssl.com/s/api.html and about.html). Its rating has changed over the years; this one is
// of the rules that name TLS 1.1 "Improvable" and anything older "Bad".
type Check struct {
	GivenCipherSuites        []string            `json:"given_cipher_suites"` // IANA's names
	GivenNamedGroups         []string            `json:"given_named_groups"`
	GivenSignatureAlgorithms []string            `json:"given_signature_algorithms"`
	PostQuantumKeyAgreement  bool                `json:"post_quantum_key_agreement"`
	EphemeralKeysSupported   bool                `json:"ephemeral_keys_supported"`
	SessionTicketSupported   bool                `json:"session_ticket_supported"`
	CompressionSupported     bool                `json:"tls_compression_supported"`
	UnknownSuiteSupported    bool                `json:"unknown_cipher_suite_supported"`
	BEASTVulnerable          bool                `json:"beast_vuln"`
	AbleToDetectSplitting    bool                `json:"able_to_detect_n_minus_one_splitting"`
	InsecureCipherSuites     map[string][]string `json:"insecure_cipher_suites"` // with the reasons
	TLSVersion               string              `json:"tls_version"`            // "TLS 1.2"
	Rating                   string              `json:"rating"`
}

// The ratings.
const (
	okay       = "Probably Okay"
	improvable = "Improvable"
	bad        = "Bad"
)

// check reads what a client sent until now on a completed connection.
func check(t verify.Transcript, state tls.ConnectionState) Check {
	version := wire.Version(state.Version)
	c := Check{InsecureCipherSuites: map[string][]string{}, TLSVersion: version.String(),
		GivenCipherSuites: []string{}, GivenNamedGroups: []string{}, GivenSignatureAlgorithms: []string{}}
	h := t.Sight().Hello
	if h == nil {
		return c // not reached: a completed handshake has a hello
	}
	c.GivenNamedGroups = append(c.GivenNamedGroups, names(h.Groups())...)
	c.GivenSignatureAlgorithms = append(c.GivenSignatureAlgorithms, names(h.Schemes())...)
	for _, g := range h.Groups() {
		c.PostQuantumKeyAgreement = c.PostQuantumKeyAgreement || g.PostQuantum()
	}
	c.SessionTicketSupported, c.CompressionSupported = h.Tickets(), h.Compresses()
	c.suites(h.Suites)
	if version <= wire.TLS10 && offersCBC(h.Suites) {
		var split bool
		split, c.AbleToDetectSplitting = splits(t)
		c.BEASTVulnerable = !split
	}
	c.rate(version)
	return c
}

// suites reads the suites in their order, which is the client's preference.
func (c *Check) suites(suites []wire.Suite) {
	var triple []string // 3DES so far: harmless only where everything else is preferred to it
	for _, s := range suites {
		name := s.String()
		switch {
		case s.GREASE():
			name = fmt.Sprintf("TLS_GREASE_IS_THE_WORD_%02X", uint16(s)&0xff) // howsmyssl's name for these
		case !s.Known():
			name, c.UnknownSuiteSupported = fmt.Sprintf("Some unknown cipher suite: %#04x", uint16(s)), true
		case s.Signals():
		default:
			c.EphemeralKeysSupported = c.EphemeralKeysSupported || strings.Contains(name, "DHE_") || s>>8 == 0x13 // all of TLS 1.3
			if reasons := insecure(name); len(reasons) > 0 {
				c.InsecureCipherSuites[name] = append(c.InsecureCipherSuites[name], reasons...)
			}
			if strings.Contains(name, "3DES") {
				triple = append(triple, name)
				break
			}
			for _, before := range triple {
				c.InsecureCipherSuites[before] = append(c.InsecureCipherSuites[before], "uses 3DES (Sweet32), and is preferred to others")
			}
			triple = nil
		}
		if len(c.GivenCipherSuites) < maxSuites {
			c.GivenCipherSuites = append(c.GivenCipherSuites, name)
		}
	}
}

// maxSuites is more than any client in use offers; it keeps an answer from growing with a hello.
const maxSuites = 512

// insecure says what is wrong with a suite of this name.
func insecure(name string) (reasons []string) {
	for _, r := range []struct{ part, reason string }{
		{"_NULL_", "does not encrypt"},
		{"_anon_", "does not authenticate the server"},
		{"_RC4_", "uses RC4, whose output is biased (RFC 7465)"},
		{"_EXPORT_|_DES_|_DES40_", "has a key of less than 128 bits"},
	} {
		for part := range strings.SplitSeq(r.part, "|") {
			if strings.Contains(name, part) {
				reasons = append(reasons, r.reason)
				break
			}
		}
	}
	return reasons
}

func offersCBC(suites []wire.Suite) bool {
	for _, s := range suites {
		if s.Known() && strings.Contains(s.String(), "_CBC_") {
			return true
		}
	}
	return false
}

// splits reports whether the client keeps BEAST away by a first record of one byte or none before the rest of
// what it says, and whether it has said enough to tell. Such a record has two blocks of AES: at most one
// byte, 20 of HMAC-SHA1, padding (RFC 2246 section 6.2.3).
func splits(t verify.Transcript) (split, able bool) {
	var sent []byte
	for _, s := range t {
		if s.From == verify.FromSubject {
			sent = append(sent, s.Data...)
		}
	}
	records, _ := wire.ParseRecords(sent)
	var said []wire.Record
	for _, r := range records {
		if r.Type == wire.ApplicationData {
			said = append(said, r)
		}
	}
	return len(said) > 1 && len(said[0].Payload) <= 32, len(said) > 0
}

// rate applies the rules: the worst that any of them gives.
func (c *Check) rate(v wire.Version) {
	switch {
	case c.CompressionSupported || c.UnknownSuiteSupported || c.BEASTVulnerable || len(c.InsecureCipherSuites) > 0 || v <= wire.TLS10:
		c.Rating = bad
	case !c.EphemeralKeysSupported || !c.SessionTicketSupported || v == wire.TLS11:
		c.Rating = improvable
	default:
		c.Rating = okay
	}
}
