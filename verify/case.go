package verify

import (
	"fmt"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Floor is the lowest version that a toolchain may speak.
type Floor wire.Version

// The floors that there are expectations for.
const (
	TLS12 = Floor(wire.TLS12)
	TLS13 = Floor(wire.TLS13)
)

// ParseFloor reads "1.2" or "1.3".
func ParseFloor(s string) (Floor, error) {
	for _, f := range []Floor{TLS12, TLS13} {
		if f.String() == s {
			return f, nil
		}
	}
	return 0, fmt.Errorf("floor %q: not one of 1.2, 1.3", s)
}

// String gives "1.2" or "1.3".
func (f Floor) String() string {
	switch f {
	case TLS12:
		return "1.2"
	case TLS13:
		return "1.3"
	}
	return wire.Version(f).String()
}

// MarshalText is String's.
func (f Floor) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFloor's.
func (f *Floor) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFloor(string(text))
	return err
}

// Status is a verdict. The zero value is Unproven, and Unproven is not Pass.
type Status int

// The verdicts.
const (
	Unproven Status = iota // it did not run, or its control did not behave
	Pass
	Fail // the expectation was broken
	Skip // left out on purpose: taints the whole proof
)

var statusNames = [...]string{"unproven", "pass", "fail", "skip"}

// String names s in lower case.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return statusNames[Unproven]
	}
	return statusNames[s]
}

// MarshalText is String's.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes; anything else is Unproven.
func (s *Status) UnmarshalText(text []byte) error {
	*s = Unproven
	for i, name := range statusNames {
		if name == string(text) {
			*s = Status(i)
		}
	}
	return nil
}

// Who is the program that a trial is done with: the toolchain's two, and the weak peers of our own that controls use.
type Who string

// The programs.
const (
	Python      Who = "python"
	OpenSSL     Who = "openssl"
	WeakPython  Who = "weak python"
	WeakOpenSSL Who = "weak openssl"
)

// Weak reports whether w is a control's peer.
func (w Who) Weak() bool { return w == WeakPython || w == WeakOpenSSL }

// Role says which side of a connection the subject takes.
type Role string

// The roles.
const (
	Client Role = "client"
	Server Role = "server"
	Static Role = "static" // nothing is spoken: the files or the process are looked at
)

// Act is what the Go side does in a trial.
type Act string

// The acts.
const (
	Serve  Act = "serve"  // a crypto/tls server that speaks exactly Offer.Version
	Answer Act = "answer" // reads a hello, sends a crafted ServerHello of Offer.Version, then half-closes
	Greet  Act = "greet"  // sends a crafted ClientHello of Offer.Version to the subject's server
	Listen Act = "listen" // takes one datagram of a DTLS client

	Methods Act = "methods" // symbols of the fixed-version methods in libssl.a
	Symbols Act = "symbols" // the same in the Python and its extension modules, imports included
	Macros  Act = "macros"  // the OPENSSL_NO_ macros of the installed headers
	Has     Act = "has"     // ssl.HAS_* and the fixed-version constructors
	Needed  Act = "needed"  // DT_NEEDED of the Python and its extension modules, for Offer.Match
	Maps    Act = "maps"    // /proc/PID/maps of the Python that ran the client cases, for Offer.Match
)

// Static reports whether the act looks at files or a process rather than at a connection.
func (a Act) Static() bool {
	switch a {
	case Methods, Symbols, Macros, Has, Needed, Maps:
		return true
	}
	return false
}

// Setup is how the subject is configured: every field lowers its guard.
type Setup struct {
	Conf    bool         `json:"conf,omitempty"`    // run with an OPENSSL_CONF that allows everything
	Context string       `json:"context,omitempty"` // python: "" plain SSLContext, "default" create_default_context, "TLSv1_1" that PROTOCOL_; openssl: "dtls1"
	Min     wire.Version `json:"min,omitzero"`      // minimum_version, -min_protocol; 0 leaves the default
	Max     wire.Version `json:"max,omitzero"`
	Level0  bool         `json:"level0,omitempty"` // ciphers DEFAULT@SECLEVEL=0
}

// Offer is one thing done with one program.
type Offer struct {
	Who      Who          `json:"who"`
	Act      Act          `json:"act"`
	Version  wire.Version `json:"version,omitzero"`
	Says     wire.Version `json:"says,omitzero"`      // Answer: supported_versions in the ServerHello
	Sentinel bool         `json:"sentinel,omitempty"` // Answer: the random ends in DOWNGRD 01 (RFC 8446 section 4.1.3)
	Fallback bool         `json:"fallback,omitempty"` // Greet: with TLS_FALLBACK_SCSV (RFC 7507)
	Match    string       `json:"match,omitempty"`    // Needed, Maps: a library's name begins with one of these, comma-separated
	Setup    Setup        `json:"setup"`
}

// Outcome is what became of an Offer, in one word.
type Outcome string

// The outcomes.
const (
	Connected Outcome = "connected" // the handshake was completed by both ends
	Proceeds  Outcome = "proceeds"  // a crafted hello was accepted and the peer waited for more
	Answered  Outcome = "answered"  // a server sent its ServerHello
	Refused   Outcome = "refused"
	Present   Outcome = "present" // what a static look searches for is there
	Absent    Outcome = "absent"
)

// Want is an exact expectation; zero fields are not compared.
type Want struct {
	Outcome Outcome          `json:"outcome"`
	Version wire.Version     `json:"version,omitzero"`
	Reason  string           `json:"reason,omitempty"` // the library's own, upper case: UNSUPPORTED_PROTOCOL
	Alert   wire.Description `json:"alert,omitempty"`
	From    Side             `json:"from,omitempty"`   // who sends the alert
	Record  wire.Version     `json:"record,omitzero"`  // version of the alert's record
	Offered []wire.Version   `json:"offered,omitzero"` // what the client's hello offers, in its order; empty but not nil: no hello
}

// Control is the same thing done so that it must come out the other way.
type Control struct {
	Name  string `json:"name"`
	Offer Offer  `json:"offer"`
	Want  Want   `json:"want"`
}

// Case is one row of the proof.
type Case struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Offer    Offer     `json:"offer"`
	Want     Want      `json:"want"`
	Why      string    `json:"why"`
	Controls []Control `json:"controls"`
}
