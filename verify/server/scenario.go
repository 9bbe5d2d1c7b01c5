package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Floor is the lowest version that a hardened client speaks.
const Floor = wire.TLS12

// Scenario is one server behaviour, and what a hardened client does about it.
type Scenario struct {
	Name  string       `json:"name"`
	Offer verify.Offer `json:"offer"`
	Must  string       `json:"must"` // in one line, for people: want's words
	Why   string       `json:"why"`
	want  want
}

// want is what a hardened client must do, for the judge.
type want struct {
	refuse   bool
	alerts   []wire.Description // that count as a refusal for this reason; the first is what Must names
	from     verify.Side        // whose alert; "" either's
	trust    bool               // to accept is careless, not below the floor: version and suite are good
	staple   bool               // only a client that asks for a staple shows anything
	newest   bool               // only a client that offers TLS 1.3 shows anything
	identity bool               // the server refuses a client without a certificate, and that is right too
	goes     bool               // a crafted hello that is good: the client has to wait for more
}

// Alerts by which a client may refuse a certificate for whatever reason (RFC 8446 section 6.2).
var anyCertificate = []wire.Description{wire.BadCertificate, wire.CertificateUnknown}

// Scenarios lists all of them in the order of the table, with honest servers speaking at most max; what
// cannot be said within that is left out. No maximum is 0.
func Scenarios(max wire.Version) []Scenario {
	if max == 0 {
		max = wire.TLS13
	}
	var all []Scenario
	for _, s := range slices.Concat(honest(max), crafted(), certificates(max)) {
		if lowest(s.Offer) <= max {
			all = append(all, s)
		}
	}
	return all
}

// lowest is the lowest version that a server of o can come to.
func lowest(o verify.Offer) wire.Version {
	switch {
	case o.Least != 0:
		return o.Least
	case o.Says != 0:
		return o.Says
	}
	return o.Version
}

// honest are servers that do what they say.
func honest(max wire.Version) []Scenario {
	serve := func(name string, least, version wire.Version, why string) Scenario {
		version = min(version, max)
		s := Scenario{Name: name, Offer: verify.Offer{Act: verify.Serve, Least: least, Version: version}, Why: why}
		if version < Floor {
			s.want = want{refuse: true, alerts: []wire.Description{wire.ProtocolVersion}}
		}
		return s.worded("")
	}
	exactly := func(name string, v wire.Version, why string) Scenario {
		s := serve(name, 0, v, why)
		s.Offer.Version = v // above the maximum it is left out, not lowered
		return s
	}
	const low, high = "an honest server that speaks nothing newer", "an honest server: what is at or above the floor must work"
	return []Scenario{
		serve("any", wire.TLS10, wire.TLS13, "an honest server of every version, as `openssl s_server` is: the newest that both speak is taken"),
		exactly("tls13", wire.TLS13, high),
		exactly("tls12", wire.TLS12, high),
		serve("max11", wire.TLS10, wire.TLS11, "an honest server of TLS 1.0 and 1.1, as `openssl s_server -no_tls1_3 -no_tls1_2` is"),
		exactly("tls11", wire.TLS11, low),
		exactly("tls10", wire.TLS10, low),
	}
}

// crafted are ServerHellos that no honest server sends to a hardened client's hello.
func crafted() []Scenario {
	answer := func(name string, o verify.Offer, alerts []wire.Description, why string) Scenario {
		o.Act = verify.Answer
		return Scenario{Name: name, Offer: o, Why: why, want: want{refuse: true, from: verify.FromSubject, alerts: alerts}}
	}
	version := []wire.Description{wire.ProtocolVersion}
	illegal := []wire.Description{wire.IllegalParameter, wire.HandshakeFailure}
	const ignores = "a ServerHello that ignores what was offered and says an old version (RFC 5246 appendix E.1)"
	const talked = "a ServerHello of TLS 1.2 whose random says that the server was talked down from TLS 1.3 (RFC 8446 section 4.1.3)"
	all := []Scenario{
		answer("hello-0302", verify.Offer{Version: wire.TLS11}, version, ignores),
		answer("hello-0301", verify.Offer{Version: wire.TLS10}, version, ignores),
		answer("hello-0300", verify.Offer{Version: wire.SSL30}, append(slices.Clone(version), wire.HandshakeFailure), ignores),
		answer("hello-sv0302", verify.Offer{Version: wire.TLS12, Says: wire.TLS11}, []wire.Description{wire.IllegalParameter, wire.ProtocolVersion},
			"supported_versions says TLS 1.1: it is for TLS 1.3 alone (RFC 8446 section 4.2.1)"),
		answer("sentinel12", verify.Offer{Version: wire.TLS12, Sentinel: wire.TLS12}, []wire.Description{wire.IllegalParameter}, talked),
		answer("sentinel11", verify.Offer{Version: wire.TLS12, Sentinel: wire.TLS11}, []wire.Description{wire.IllegalParameter}, talked+", to 1.1"),
		answer("null", verify.Offer{Version: wire.TLS12, Suite: wire.RSANULLSHA256}, illegal, "the server picks a suite without encryption"),
		answer("export", verify.Offer{Version: wire.TLS12, Suite: wire.RSAExportRC4}, illegal, "the server picks a suite of 40 bits (RFC 4346 appendix A.5)"),
		answer("no-renegotiation-info", verify.Offer{Version: wire.TLS12, Bare: true}, []wire.Description{wire.HandshakeFailure},
			"a server without renegotiation_info lets somebody between them begin its sessions (CVE-2009-3555, RFC 5746 section 4.1)"),
		{Name: "hello-0303", Offer: verify.Offer{Act: verify.Answer, Version: wire.TLS12}, want: want{goes: true},
			Why: "the control of the crafted ones: a ServerHello with nothing wrong, and then nothing more"},
	}
	for i, s := range all {
		s.want.newest = s.Offer.Sentinel != 0
		all[i] = s.worded("")
	}
	return all
}

// certificates are honest servers of TLS 1.2 and later whose certificates are not, or are asked about, or
// that ask for one.
func certificates(max wire.Version) []Scenario {
	serve := func(name string, o verify.Offer, w want, when, why string) Scenario {
		o.Act, o.Least, o.Version = verify.Serve, wire.TLS12, min(wire.TLS13, max)
		w.trust = true
		if w.alerts != nil {
			w.refuse, w.from = true, verify.FromSubject
		}
		return Scenario{Name: name, Offer: o, Why: why, want: w}.worded(when)
	}
	leaf := func(name string, l verify.Leaf, alert wire.Description, when, why string) Scenario {
		return serve(name, verify.Offer{Leaf: l}, want{alerts: append([]wire.Description{alert}, anyCertificate...)}, when, why)
	}
	const asked = " where it asks for a staple"
	return []Scenario{
		leaf("cert-untrusted", verify.UntrustedLeaf, wire.UnknownCA, "", "a certificate of a CA that nobody trusts"),
		leaf("cert-expired", verify.ExpiredLeaf, wire.CertificateExpired, "", "a certificate that has run out"),
		// OpenSSL says bad_certificate of it, RFC 8446 section 6.2 certificate_expired.
		leaf("cert-not-yet-valid", verify.NotYetLeaf, wire.CertificateExpired, "", "a certificate of tomorrow"),
		leaf("cert-other-name", verify.OtherNameLeaf, wire.BadCertificate, "", "a certificate for another host (RFC 9525)"),
		leaf("cert-revoked", verify.RevokedLeaf, wire.CertificateRevoked, " where it was given crl.pem", "a certificate in the CA's revocation list (RFC 5280 section 5)"),
		serve("ocsp-good", verify.Offer{Staple: verify.GoodStaple}, want{}, "", "a staple that says good (RFC 6066 section 8)"),
		serve("ocsp-revoked", verify.Offer{Staple: verify.RevokedStaple}, want{staple: true, alerts: append([]wire.Description{wire.CertificateRevoked, wire.BadStatusResponse}, anyCertificate...)}, asked,
			"a staple that says revoked; many libraries leave it to the application to look at"),
		serve("ocsp-malformed", verify.Offer{Staple: verify.MalformedStaple}, want{staple: true, alerts: append([]wire.Description{wire.BadStatusResponse}, anyCertificate...)}, asked, "a staple that is no OCSP response"),
		serve("ocsp-absent", verify.Offer{}, want{}, "", "no staple: the control of the other three"),
		serve("client-cert", verify.Offer{Ask: true}, want{identity: true}, " with client.pem and key.pem", "a server that requires a certificate of the client; one without is refused: alert 116, at TLS 1.2 40"),
	}
}

// worded fills in Must.
func (s Scenario) worded(when string) Scenario {
	switch {
	case s.want.refuse:
		s.Must = "refuses: alert " + s.want.alerts[0].String()
	case s.want.goes:
		s.Must = "waits for more"
	case s.Offer.Least != 0 && s.Offer.Version > max(s.Offer.Least, Floor):
		s.Must = fmt.Sprintf("connects at %s or %s", Floor, strings.TrimPrefix(s.Offer.Version.String(), "TLS "))
	default:
		s.Must = "connects at " + s.Offer.Version.String()
	}
	s.Must += when
	return s
}

// UnknownError says that there is no scenario of a name, or none within a maximum.
type UnknownError struct {
	Name string
	Have []string // the names that there are
}

func (e *UnknownError) Error() string { return fmt.Sprintf("scenario %q: not known", e.Name) }

// Pick returns the scenarios of the names, in the order of all; all of them where there are no names. The
// error is an *UnknownError.
func Pick(all []Scenario, names []string) ([]Scenario, error) {
	if len(names) == 0 {
		return all, nil
	}
	var have []string
	for _, s := range all {
		have = append(have, s.Name)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return nil, &UnknownError{n, have}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s Scenario) bool { return !slices.Contains(names, s.Name) }), nil
}
