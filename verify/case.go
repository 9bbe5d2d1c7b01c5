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

// Kind is what a proof is about, and so which cases it holds.
type Kind string

// The kinds.
const (
	KindToolchain Kind = ""        // an openssl and a Python that belong together
	KindPython    Kind = "python"  // a Python alone, whatever its OpenSSL
	KindOpenSSL   Kind = "openssl" // an openssl command alone
	KindClient    Kind = "client"  // any command that connects: its exit status and what the wire showed decide together
	KindServer    Kind = "server"  // any server on this machine: what the wire showed decides alone
)

// Nameless reports whether no file can be named as what was tested: a command may start any program, and what
// listens at an address may be any.
func (k Kind) Nameless() bool { return k == KindClient || k == KindServer }

// line is a verdict's, which says nothing of the toolchain.
func (k Kind) line() string {
	if k == KindToolchain {
		return ""
	}
	return "kind " + string(k) + "\n"
}

// Status is a verdict. The zero value is Unproven, and Unproven is not Pass.
type Status int

// The verdicts.
const (
	Unproven Status = iota // it did not run, or its control did not behave
	Pass
	Fail   // the expectation was broken
	Skip   // left out on purpose: taints the whole proof
	Warned // a residual: not below the floor, and a reader must know of it
)

var statusNames = [...]string{"unproven", "pass", "fail", "skip", "warned"}

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

// Who is the program that a trial is done with: the toolchain's two, and the weak peers of our own that
// controls use.
type Who string

// The programs.
const (
	Python      Who = "python"
	OpenSSL     Who = "openssl"
	WeakPython  Who = "weak python"
	WeakOpenSSL Who = "weak openssl"
	Command     Who = "client" // Toolchain.Command
	Endpoint    Who = "server" // Toolchain.Endpoint
	HostPython  Who = "host's python"
	HostOpenSSL Who = "host's openssl"
)

// String is the name.
func (w Who) String() string { return string(w) }

// Weak reports whether w is a control's peer.
func (w Who) Weak() bool { return w == WeakPython || w == WeakOpenSSL }

// Role says which side of a connection the subject takes.
type Role string

// The roles.
const (
	Client Role = "client"
	Server Role = "server"
	Trust  Role = "trust"  // a client, tried by certificates rather than versions
	Static Role = "static" // nothing is spoken: the files or the process are looked at
)

// Act is what the Go side does in a trial.
type Act string

// The acts.
const (
	Serve  Act = "serve"  // a crypto/tls server that speaks exactly Offer.Version, or from Offer.Least to it, and shows and asks for what Offer says
	Answer Act = "answer" // reads a hello, sends a crafted ServerHello of Offer.Version, then half-closes
	Greet  Act = "greet"  // sends a crafted ClientHello of Offer.Version to the subject's server
	Listen Act = "listen" // takes one datagram of a DTLS client

	Decline Act = "decline" // says no to a client that asks for TLS in the clear, and goes on without

	Versions Act = "versions" // entries of the tables of versions in libssl.a that have a method

	Methods Act = "methods" // symbols of the fixed-version methods in libssl.a
	Symbols Act = "symbols" // the same in the Python and its extension modules, imports included
	Macros  Act = "macros"  // the OPENSSL_NO_ macros of the installed headers
	Imports Act = "imports" // what a Python loads as ssl in a script, and for the judge
	Has     Act = "has"     // ssl.HAS_* and the fixed-version constructors
	Needed  Act = "needed"  // DT_NEEDED of the Python and its extension modules, for Offer.Match
	Maps    Act = "maps"    // /proc/PID/maps of the Python that ran the client cases, for Offer.Match
)

// Static reports whether the act looks at files or a process rather than at a connection.
func (a Act) Static() bool {
	switch a {
	case Versions, Imports, Methods, Symbols, Macros, Has, Needed, Maps:
		return true
	}
	return false
}

// Setup is how the subject is configured. Most fields lower its guard; Insecure and AnyName are for controls.
type Setup struct {
	Conf     bool         `json:"conf,omitempty"`    // run with an OPENSSL_CONF that allows everything
	Context  string       `json:"context,omitempty"` // python: "" plain SSLContext, "default" create_default_context, "TLSv1_1" that PROTOCOL_; openssl: "dtls1"
	Min      wire.Version `json:"min,omitzero"`      // minimum_version, -min_protocol; 0 leaves the default
	Max      wire.Version `json:"max,omitzero"`
	Level0   bool         `json:"level0,omitempty"`   // ciphers DEFAULT@SECLEVEL=0
	Ciphers  string       `json:"ciphers,omitempty"`  // this list instead (openssl-ciphers(1))
	Legacy   bool         `json:"legacy,omitempty"`   // renegotiation without RFC 5746 is allowed: OP_LEGACY_SERVER_CONNECT
	Trust    Anchor       `json:"trust,omitempty"`    // the CAs that are trusted; "" the run's first
	Insecure bool         `json:"insecure,omitempty"` // nothing is verified: CERT_NONE
	AnyName  bool         `json:"any_name,omitempty"` // check_hostname off
	CRL      bool         `json:"crl,omitempty"`      // the leaf is looked up in the run's CRL
	Identity Identity     `json:"identity,omitempty"` // the client's own certificate
	Status   bool         `json:"status,omitempty"`   // openssl: asks for an OCSP staple (RFC 6066 section 8)
	Plain    bool         `json:"plain,omitempty"`    // python: a script, with its site's additions
	Long     bool         `json:"long,omitempty"`     // ALPN (RFC 7301) with names that alone fill a packet

	Library    Library `json:"library,omitempty"`     // python: this client library connects, and not the ssl module by itself
	AnyCert    bool    `json:"any_cert,omitempty"`    // pymongo: tlsAllowInvalidCertificates, where Insecure is tlsInsecure
	NoEndpoint bool    `json:"no_endpoint,omitempty"` // pymongo: tlsDisableOCSPEndpointCheck
	StartTLS   string  `json:"starttls,omitempty"`    // what is spoken before TLS: "" nothing, "postgres"
	Direct     bool    `json:"direct,omitempty"`      // psycopg2: sslnegotiation=direct, where nothing is
	Mode       string  `json:"mode,omitempty"`        // psycopg2: this sslmode; "" verify-full, verify-ca with AnyName, require with Insecure
}

// Anchor names the CAs that a subject trusts.
type Anchor string

// The anchors. A rotation goes from the first by both to the new one.
const (
	FirstCA Anchor = ""
	NewCA   Anchor = "new"
	BothCAs Anchor = "both"
)

// Identity names the certificate that a client has for itself.
type Identity string

// The identities.
const (
	NoIdentity    Identity = ""
	Plain         Identity = "plain"          // its key is not encrypted
	RightPassword Identity = "right-password" // its key is encrypted, and the password fits
	WrongPassword Identity = "wrong-password"
)

// Leaf names a certificate that the Go server shows.
type Leaf string

// The leaves. All but GoodLeaf, NewLeaf and those with an endpoint have one fault.
const (
	GoodLeaf      Leaf = ""
	UntrustedLeaf Leaf = "untrusted" // of a CA that nobody trusts
	ExpiredLeaf   Leaf = "expired"
	NotYetLeaf    Leaf = "not-yet-valid"
	OtherNameLeaf Leaf = "other-name" // for another host
	RevokedLeaf   Leaf = "revoked"    // in the run's CRL
	NewLeaf       Leaf = "new"        // of the second CA
	SmallLeaf     Leaf = "small-key"  // an RSA key of 1,024 bits, which OpenSSL's security levels from 2 on refuse

	EndpointGoodLeaf      Leaf = "endpoint-good" // names an OCSP responder of the run's, which says this of it
	EndpointRevokedLeaf   Leaf = "endpoint-revoked"
	EndpointErrorLeaf     Leaf = "endpoint-error"
	EndpointMalformedLeaf Leaf = "endpoint-malformed"
)

// Staple names an OCSP response that the Go server staples to its certificate (RFC 6960, RFC 6066 section 8).
type Staple string

// The staples. GoodStaple and RevokedStaple are the CA's own; ErrorStaple is a responder's refusal to say
// (RFC 6960 section 4.2.1, malformedRequest); MalformedStaple is no OCSP response at all.
const (
	NoStaple        Staple = ""
	GoodStaple      Staple = "good"
	RevokedStaple   Staple = "revoked"
	ErrorStaple     Staple = "error"
	MalformedStaple Staple = "malformed"
)

// Offer is one thing done with one program.
type Offer struct {
	Who      Who            `json:"who"`
	Act      Act            `json:"act"`
	Version  wire.Version   `json:"version,omitzero"`
	Least    wire.Version   `json:"least,omitzero"`     // Serve: every version from this one to Version, as servers of today do; 0: Version alone
	Says     wire.Version   `json:"says,omitzero"`      // Answer: supported_versions in the ServerHello
	Sentinel wire.Version   `json:"sentinel,omitzero"`  // Answer: the random ends in DOWNGRD of a server that was talked down to this version (RFC 8446 section 4.1.3)
	Suite    wire.Suite     `json:"suite,omitzero"`     // Answer: the suite that the ServerHello picks
	Bare     bool           `json:"bare,omitempty"`     // Answer: without renegotiation_info (RFC 5746 section 3.6)
	Leaf     Leaf           `json:"leaf,omitempty"`     // Serve
	Ask      bool           `json:"ask,omitempty"`      // Serve: requires a certificate of the client
	Staple   Staple         `json:"staple,omitempty"`   // Serve
	Fallback bool           `json:"fallback,omitempty"` // Greet: with TLS_FALLBACK_SCSV (RFC 7507)
	Lists    []wire.Version `json:"lists,omitempty"`    // Greet: supported_versions of the ClientHello
	Named    bool           `json:"named,omitempty"`    // Greet: SSLv3 with the server's name, which it has no room for: some servers answer to nothing else
	V2       bool           `json:"v2,omitempty"`       // Greet: in the format of SSLv2 (RFC 5246 appendix E.2)
	Match    string         `json:"match,omitempty"`    // Needed, Maps: a library's name begins with one of these, comma-separated
	Setup    Setup          `json:"setup"`
}

// Outcome is what became of an Offer, in one word.
type Outcome string

// The outcomes.
const (
	Connected Outcome = "connected" // the handshake was completed by both ends
	Proceeds  Outcome = "proceeds"  // a crafted hello was accepted and the peer waited for more
	Answered  Outcome = "answered"  // a server sent its ServerHello
	Refused   Outcome = "refused"
	Plaintext Outcome = "plaintext" // the client was content without TLS
	Present   Outcome = "present"   // what a static look searches for is there
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
	Verify  int              `json:"verify,omitempty"` // the code of X509_verify_cert (X509_STORE_CTX_get_error(3ssl))
	Staple  Staple           `json:"staple,omitempty"` // what the client says of the staple; "absent" where there was none
	Hello   int              `json:"hello,omitempty"`  // the most bytes that the client's first message may have on the wire
	Longer  int              `json:"longer,omitempty"` // a control's: it has more bytes than this

	Unlike []wire.Description `json:"unlike,omitempty"` // an alert that says of something else than the version that it is the reason
}

// AbsentStaple is what a client says that got no staple.
const AbsentStaple Staple = "absent"

// Control is the same thing done so that it must come out the other way.
type Control struct {
	Name  string `json:"name"`
	Offer Offer  `json:"offer"`
	Want  Want   `json:"want"`
}

// Case is one row of the proof. That a Residual is accepted makes it Warned; refused as wanted, it is Pass.
type Case struct {
	Name     string    `json:"name"`
	Residual bool      `json:"residual,omitempty"`
	Role     Role      `json:"role"`
	Offer    Offer     `json:"offer"`
	Want     Want      `json:"want"`
	Why      string    `json:"why"`
	Controls []Control `json:"controls"`
}
