package server

import (
	"fmt"
	"slices"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Verdict is what a connection says about its client. The zero value is Unclear: what nobody saw is no good
// behaviour.
type Verdict int

// The verdicts.
const (
	Unclear  Verdict = iota // it shows nothing, and Visit.Note says why
	AsItMust                // what a hardened client must do
	Careless                // it trusts what it must not
	Below                   // it spoke or offered what is below the floor, or took what it never offered
)

var verdictNames = [...]string{"shows nothing", "as a hardened client must", "NOT AS A HARDENED CLIENT MUST", "BELOW THE FLOOR"}

// String gives the verdict's words.
func (v Verdict) String() string { return verdictNames[v] }

var verdictTexts = [...]string{"unclear", "meets", "careless", "below"}

// MarshalText gives one word in lower case: unclear, meets, careless or below.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(verdictTexts[v]), nil }

// evidence is what a verdict is made of.
type evidence struct {
	verify.Sight
	completed bool
	version   wire.Version // of a completed handshake
	alert     *Alert       // the one that ended it
	waited    bool         // after a crafted ServerHello the client waited for more
	said      bool         // over the completed connection the client sent something
}

// judge gives the verdict and, where there is something to add, why. A breach comes first, since it was seen
// to happen.
func (s Scenario) judge(e evidence) (Verdict, string) {
	if breach := s.breach(e); breach != "" {
		return Below, breach
	}
	if e.Hello == nil {
		return Unclear, "there was no whole ClientHello"
	}
	if s.beside(e) {
		return Unclear, "a client that does not offer TLS 1.3 has nothing to see here"
	}
	if s.want.staple && !e.Hello.Has(wire.StatusRequest) {
		return Unclear, "it did not ask for a staple"
	}
	if e.completed || e.waited {
		return s.accepted(e)
	}
	return s.refused(e)
}

// breach says what e shows below the floor, or "": what was done before what was only offered.
func (s Scenario) breach(e evidence) string {
	if e.SSL2 != nil {
		return "its hello has the format of SSLv2"
	}
	if e.completed && e.version < Floor {
		return "a handshake was completed at " + e.version.String()
	}
	if e.Hello == nil {
		return ""
	}
	if a := e.Answer; a != nil && a.Chosen() < Floor && (e.GoesOn || e.waited) {
		return "it goes on at " + a.Chosen().String()
	}
	if a := e.Answer; a != nil && a.Chosen() < Floor && e.alert.refusesCertificate() {
		return "it takes " + a.Chosen().String() + ", and refuses the certificate only"
	}
	if e.waited && s.want.refuse && !s.beside(e) {
		return "it takes the ServerHello and waits for more"
	}
	if s.Offer.Suite != 0 && slices.Contains(e.Hello.Suites, s.Offer.Suite) {
		return "it offers " + s.Offer.Suite.String()
	}
	for _, v := range e.Hello.Offered() {
		if v < Floor {
			return "it offers " + v.String()
		}
	}
	return ""
}

// beside reports whether the scenario is beside the point for this client.
func (s Scenario) beside(e evidence) bool {
	return s.want.newest && !slices.Contains(e.Hello.Offered(), wire.TLS13)
}

// accepted judges a client that connected, or waited for more, at or above the floor.
func (s Scenario) accepted(e evidence) (Verdict, string) {
	switch {
	case !s.want.refuse:
		return AsItMust, ""
	case !e.said: // curl and libpq look at a name after the handshake, and an application at a staple
		return Unclear, "it connected and sent nothing: some look at a certificate only then"
	}
	if s.Offer.Leaf == verify.RevokedLeaf {
		return Careless, "it connected and sent something: was it given crl.pem?"
	}
	return Careless, "it connected and sent something"
}

// refused judges a client whose connection came to nothing.
func (s Scenario) refused(e evidence) (Verdict, string) {
	a := e.alert
	switch {
	case a == nil && s.want.goes:
		return Unclear, "it hung up"
	case a == nil:
		return Unclear, "it ended without an alert: why is not seen"
	case s.want.identity && a.From == fromServer && (a.Number == wire.CertificateRequired || a.Number == wire.HandshakeFailure):
		return AsItMust, "it has no certificate, and is told so"
	case !s.want.refuse && (a.Number == wire.UnknownCA || slices.Contains(anyCertificate, a.Number)):
		return Unclear, "it does not take the certificate: was it given ca.pem?"
	case !s.want.refuse:
		return Unclear, "it must connect here, and did not"
	case s.want.from == verify.FromSubject && a.From != fromClient:
		return Unclear, "it did not refuse by itself"
	case slices.Contains(s.want.alerts, a.Number):
		return AsItMust, ""
	case s.want.trust && a.Number == wire.UnknownCA:
		return Unclear, "it refuses the CA: was it given ca.pem?"
	}
	return Unclear, fmt.Sprintf("it refused, but for another reason: not with alert %s", s.want.alerts[0])
}
