package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Library is a client library of Python that makes TLS connections for programs, or psql, which Python
// starts.
type Library string

// The libraries that there are expectations for.
const (
	URLLib3  Library = "urllib3"
	Botocore Library = "botocore" // boto3 and awscli are made of it
	PyMongo  Library = "pymongo"
	Psycopg2 Library = "psycopg2"
	Psql     Library = "psql" // the program, which has a libpq of its own

	PyMongoOCSP Library = "pymongo[ocsp]" // with pyOpenSSL, which it then uses for everything
)

// Libraries lists them.
var Libraries = []Library{URLLib3, Botocore, PyMongo, PyMongoOCSP, Psycopg2, Psql}

// Installed is a library with the version that was tried.
type Installed struct {
	Library Library `json:"library"`
	Version string  `json:"version"`
}

// String is the name and the version.
func (i Installed) String() string { return string(i.Library) + " " + i.Version }

// libpq reports whether the library is PostgreSQL's client.
func (l Library) libpq() bool { return l == Psycopg2 || l == Psql }

// ParseLibraries reads a list of names. Which of them need a server of their own behind the judge's TLS,
// Backed tells.
func ParseLibraries(names []string) (list []Library, err error) {
	var known []string
	for _, l := range Libraries {
		known = append(known, string(l))
	}
	for _, name := range names {
		if !slices.Contains(known, name) || slices.Contains(list, Library(name)) {
			return nil, fmt.Errorf("client library %q: given twice, or not one of %s", name, strings.Join(known, ", "))
		}
		list = append(list, Library(name))
	}
	return list, nil
}

// Backed reports whether a real server of the library's protocol has to stand behind the judge's TLS.
func (l Library) Backed() bool { return l == PyMongo || l == PyMongoOCSP }

// prefixes are what the cases of a library are called by.
var prefixes = map[Library]string{URLLib3: "urllib3", Botocore: "botocore", PyMongo: "mongo",
	PyMongoOCSP: "mongo-ocsp", Psycopg2: "pg", Psql: "psql"}

// library adds the cases of one, and reports whether there are any.
func (t *table) library(l Installed) bool {
	if prefixes[l.Library] == "" {
		return false
	}
	// botocore has urllib3 compare the name after the handshake, as urllib3 did by itself before 2, and
	// PyMongo service-identity.
	late := l.Library == Botocore || l.Library == PyMongoOCSP || l.Library == URLLib3 && strings.HasPrefix(l.Version, "1.")
	u := using{t, l.Library, prefixes[l.Library], late}
	u.versions()
	switch l.Library {
	case PyMongoOCSP:
		u.ocsp()
	case PyMongo:
		u.mongo()
	case Psycopg2, Psql:
		u.postgres(l.Version)
	}
	u.certificates()
	return true
}

// using is the table, for a library.
type using struct {
	*table
	library  Library
	prefix   string
	lateName bool // a certificate's name is compared after the handshake, and without an alert
}

// at is a server of exactly one version, met by the library as it is set up.
func (u using) at(v wire.Version, change func(*Offer)) Offer {
	o := Offer{Who: Python, Act: Serve, Version: v, Setup: Setup{Library: u.library}}
	if u.library.libpq() {
		o.Setup.StartTLS = Postgres
	}
	if change != nil {
		change(&o)
	}
	return o
}

func (u using) add(role Role, name string, o Offer, w Want, why string, controls ...Control) {
	u.table.add(role, u.prefix+"-"+name, o, w, why, controls...)
}

// same names a control: the library itself, in other circumstances.
func (u using) same(does string) string { return "same " + string(u.library) + " " + does }

// connects is the control, or the want, that a connection comes about.
func (u using) connects(what string, o Offer) Control {
	return Control{u.same(what), o, Want{Outcome: Connected, Version: o.Version}}
}

// lower takes a setup's guard down as far as it goes. libpq has no parameter for the security level, and
// reads OPENSSL_CONF.
func lower(o *Offer) {
	o.Setup.Min, o.Setup.Level0 = wire.TLS10, true
	o.Setup.Conf = o.Setup.Library.libpq()
}

// weakly is the control that a weak peer does what the library must not. psycopg2 has an OpenSSL of its own
// in it, which no other module can take the place of: there the weak openssl shows that the server speaks the
// version. The same with PyMongo on pyOpenSSL.
func (u using) weakly(o Offer) Control {
	if u.foreign() {
		o.Who = OpenSSL
		o.Setup = Setup{Min: wire.TLS10, Level0: true, StartTLS: o.Setup.StartTLS}
	}
	return weakly(o, Connected)
}

// versions are what is spoken: by itself, and with a context that was lowered as far as it can be.
func (u using) versions() {
	for _, v := range u.offers() {
		low := u.at(u.v-1, nil)
		u.add(Client, map[wire.Version]string{wire.TLS12: "tls12", wire.TLS13: "tls13"}[v], u.at(v, nil), Want{Outcome: Connected, Version: v, Offered: u.offers()}, "what is at or above the floor must work, through "+string(u.library),
			Control{u.same("is refused by " + low.Version.String()), low, refusedBy(FromJudge, alertVersion)})
	}
	for _, r := range u.below() {
		perm := u.at(r.v, lower)
		u.add(Client, r.name, u.at(r.v, nil), u.hello(), "a server that speaks nothing newer, with "+string(u.library)+" as it is", u.connects("reaches "+u.v.String(), u.at(u.v, nil)), u.weakly(perm))
		u.add(Client, r.name+"-perm", perm, u.hello(), "the same with a context that allows everything: a library's own minimum is policy, and gone then", append(u.lowered(), u.connects("reaches "+u.v.String(), u.at(u.v, lower)), u.weakly(perm))...)
	}
}

// certificates are those that must not be trusted.
func (u using) certificates() {
	distrust := u.distrust()
	otherName := distrust(wrongHostname, wire.BadCertificate)
	if u.lateName {
		otherName = Want{Outcome: Refused, Reason: "CertificateError", Hello: wire.MaxPayload}
	}
	if u.library.libpq() {
		otherName = otherHost
	}
	for _, r := range []struct {
		name string
		leaf Leaf
		want Want
	}{
		{"untrusted", UntrustedLeaf, distrust(noIssuer, wire.UnknownCA)},
		{"expired", ExpiredLeaf, distrust(expired, wire.CertificateExpired)},
		{"notyet", NotYetLeaf, distrust(notYetValid, wire.BadCertificate)},
		{"wronghost", OtherNameLeaf, otherName},
	} {
		u.add(Trust, r.name, u.shown(r.leaf, nil), r.want, "a certificate that is not to be trusted ("+r.name+")", u.connects("takes the right one", u.at(u.v, nil)))
	}
	both := func(o *Offer) { o.Setup.Trust = BothCAs }
	u.add(Trust, "rotation", u.shown(NewLeaf, both), Want{Outcome: Connected, Version: u.v}, "a bundle of the old and the new CA takes a server's new certificate",
		u.connects("takes the old one with it", u.at(u.v, both)),
		Control{u.same("refuses it with the old CA alone"), u.shown(NewLeaf, nil), distrust(noIssuer, wire.UnknownCA)})
}

// lowered are the controls that the lowering arrives at all. psycopg2's OpenSSL gets it by a file, which a
// build can be told not to read: what the default security level refuses has to be taken then. (Before
// OpenSSL 3.2 that level refuses nothing of this kind.)
func (u using) lowered() []Control {
	if !u.library.libpq() {
		return nil
	}
	small := func(change func(*Offer)) Offer { return u.shown(SmallLeaf, change) }
	all := []Control{u.connects("takes a key of 1,024 bits, lowered", small(lower))}
	if u.era.level2 {
		refused := Want{Outcome: Refused, Reason: "CERTIFICATE_VERIFY_FAILED"}
		all = append(all, Control{u.same("refuses it by itself"), small(nil), refused})
	}
	return all
}

// foreign reports whether the library has an OpenSSL that is not the interpreter's.
func (u using) foreign() bool { return u.library.libpq() || u.library == PyMongoOCSP }

// distrust is the want of a library that refuses a certificate. libpq and pyOpenSSL say no code.
func (u using) distrust() func(int, wire.Description) Want {
	return func(code int, alert wire.Description) Want {
		w := distrust(code, alert)
		if u.foreign() {
			w.Verify = 0
		}
		return w
	}
}

// shown is a server at the floor that shows a leaf.
func (u using) shown(leaf Leaf, change func(*Offer)) Offer {
	return u.at(u.v, func(o *Offer) {
		o.Leaf = leaf
		if change != nil {
			change(o)
		}
	})
}

// mongo are the options that PyMongo's documentation on TLS names.
func (u using) mongo() {
	for _, r := range []struct {
		option string
		leaf   Leaf
		change func(*Offer)
		code   int
		alert  wire.Description
	}{
		{"insecure", UntrustedLeaf, func(o *Offer) { o.Setup.Insecure = true }, noIssuer, wire.UnknownCA},
		{"anycert", ExpiredLeaf, func(o *Offer) { o.Setup.AnyCert = true }, expired, wire.CertificateExpired},
		{"anyname", OtherNameLeaf, func(o *Offer) { o.Setup.AnyName = true }, wrongHostname, wire.BadCertificate},
	} {
		option := map[string]string{"insecure": "tlsInsecure", "anycert": "tlsAllowInvalidCertificates", "anyname": "tlsAllowInvalidHostnames"}[r.option]
		u.add(Trust, r.option, u.shown(r.leaf, r.change), Want{Outcome: Connected, Version: u.v}, option+" does what it says: never in production",
			Control{"same pymongo refuses it without the option", u.shown(r.leaf, nil), distrust(r.code, r.alert)})
		low := u.at(u.v-1, r.change)
		weak := u.at(low.Version, func(o *Offer) { r.change(o); lower(o) })
		u.add(Client, r.option+"-"+u.below()[0].name, low, u.hello(), option+" takes certificates away and no version with them", u.connects("reaches "+u.v.String(), u.at(u.v, r.change)), weakly(weak, Connected))
	}
	crl := func(o *Offer) { o.Setup.CRL = true }
	u.add(Trust, "crl-hit", u.shown(RevokedLeaf, crl), distrust(revoked, wire.CertificateRevoked), "tlsCRLFile: a certificate that it names",
		u.connects("takes one that it does not name", u.at(u.v, crl)), u.connects("takes it without the list", u.shown(RevokedLeaf, nil)))
	u.mutual("tlsCertificateKeyFile: certificate and key in one file", "tlsCertificateKeyFilePassword: the key is encrypted", "PEM_LIB")
}

// mutual are servers that ask for a certificate. unreadable is the reason that the library gives for a key
// that it cannot decrypt.
func (u using) mutual(plain, encrypted, unreadable string) {
	own := func(i Identity) Offer { return u.at(u.v, func(o *Offer) { o.Ask, o.Setup.Identity = true, i }) }
	none := Want{Outcome: Refused, Reason: "TLSV13_ALERT_CERTIFICATE_REQUIRED", Hello: wire.MaxPayload}
	if u.floor == TLS12 {
		none = Want{Outcome: Refused, Reason: "SSLV3_ALERT_HANDSHAKE_FAILURE", Alert: wire.HandshakeFailure, From: FromJudge}
	}
	u.add(Trust, "mtls", own(Plain), Want{Outcome: Connected, Version: u.v}, plain, Control{u.same("is refused without one"), own(NoIdentity), none})
	u.add(Trust, "mtls-password", own(RightPassword), Want{Outcome: Connected, Version: u.v}, encrypted,
		Control{u.same("with a wrong password sends no hello"), own(WrongPassword), Want{Outcome: Refused, Reason: unreadable, Offered: []wire.Version{}}})
}

// ocsp is what becomes of a certificate whose state is asked for: a staple decides, an endpoint only if it
// clearly says that the certificate is revoked.
func (u using) ocsp() {
	stapled := func(s Staple) Offer { return u.at(u.v, func(o *Offer) { o.Staple = s }) }
	refused := Want{Outcome: Refused, Reason: "INVALID_STATUS_RESPONSE", Alert: wire.BadStatusResponse, From: FromSubject}
	bad := Control{"same pymongo refuses a staple that says revoked", stapled(RevokedStaple), refused}
	good := u.connects("takes a staple that says good", stapled(GoodStaple))
	u.add(Trust, "good", stapled(GoodStaple), good.Want, "a staple that says good", bad)
	u.add(Trust, "revoked", stapled(RevokedStaple), refused, "a staple that says revoked", good)
	u.add(Trust, "error", stapled(ErrorStaple), refused, "a staple in which the responder does not say", good)
	unreadable := Want{Outcome: Refused, Reason: "ValueError", Hello: wire.MaxPayload}
	u.add(Trust, "malformed", stapled(MalformedStaple), unreadable, "a staple that is no OCSP response", good)
	u.add(Trust, "absent", stapled(NoStaple), Want{Outcome: Connected, Version: u.v}, "no staple, and a certificate that names nobody to ask", bad)
	hit := Control{"same pymongo refuses what the endpoint says is revoked", u.shown(EndpointRevokedLeaf, nil), refused}
	u.add(Trust, "endpoint-good", u.shown(EndpointGoodLeaf, nil), Want{Outcome: Connected, Version: u.v}, "no staple: the endpoint that the certificate names says good", hit)
	u.add(Trust, "endpoint-revoked", hit.Offer, refused, "the endpoint says revoked", u.connects("takes what the endpoint says is good", u.shown(EndpointGoodLeaf, nil)))
	u.add(Trust, "endpoint-error", u.shown(EndpointErrorLeaf, nil), Want{Outcome: Connected, Version: u.v}, "the endpoint does not say: the connection goes on", hit)
	u.add(Trust, "endpoint-malformed", u.shown(EndpointMalformedLeaf, nil), unreadable, "the endpoint's answer is no OCSP response: PyMongo stumbles over it, where its documentation says that the connection goes on",
		u.connects("takes what the endpoint says is good", u.shown(EndpointGoodLeaf, nil)))
	u.cases[len(u.cases)-1].Residual = true // a PyMongo that does as it says is no worse
	u.add(Trust, "endpoint-off", u.shown(EndpointRevokedLeaf, func(o *Offer) { o.Setup.NoEndpoint = true }), Want{Outcome: Connected, Version: u.v},
		"tlsDisableOCSPEndpointCheck: nobody is asked", hit)
	u.add(Trust, "endpoint-off-stapled", u.at(u.v, func(o *Offer) { o.Staple, o.Setup.NoEndpoint = RevokedStaple, true }), refused,
		"tlsDisableOCSPEndpointCheck leaves staples as they are", u.connects("takes a good one with it", u.at(u.v, func(o *Offer) { o.Staple, o.Setup.NoEndpoint = GoodStaple, true })))
}

// otherHost is the want of libpq, which compares the name after the handshake, and without an alert.
var otherHost = Want{Outcome: Refused, Reason: "HOST_NAME_MISMATCH", Hello: wire.MaxPayload}

// postgres are the parameters that libpq's documentation on SSL names.
func (u using) postgres(version string) {
	distrust := u.distrust()
	require := func(o *Offer) { o.Setup.Insecure = true }
	verifyCA := func(o *Offer) { o.Setup.AnyName = true }
	crl := func(o *Offer) { o.Setup.CRL = true }
	u.add(Trust, "require", u.shown(UntrustedLeaf, require), Want{Outcome: Connected, Version: u.v}, "sslmode=require without a root certificate encrypts and trusts anybody",
		Control{u.same("refuses it with verify-full"), u.shown(UntrustedLeaf, nil), distrust(noIssuer, wire.UnknownCA)})
	u.add(Trust, "verify-ca", u.shown(OtherNameLeaf, verifyCA), Want{Outcome: Connected, Version: u.v}, "sslmode=verify-ca takes any name that the CA signed",
		Control{u.same("refuses it with verify-full"), u.shown(OtherNameLeaf, nil), otherHost})
	u.add(Trust, "verify-ca-untrusted", u.shown(UntrustedLeaf, verifyCA), distrust(noIssuer, wire.UnknownCA), "and no other CA's", u.connects("takes the right one", u.at(u.v, verifyCA)))
	u.add(Client, "require-"+u.below()[0].name, u.at(u.v-1, require), u.hello(), "sslmode=require takes verification away and no version with it", u.connects("reaches "+u.v.String(), u.at(u.v, require)), u.weakly(u.at(u.v-1, nil)))
	u.add(Trust, "crl-hit", u.shown(RevokedLeaf, crl), distrust(revoked, wire.CertificateRevoked), "sslcrl: a certificate that it names",
		u.connects("takes one that it does not name", u.at(u.v, crl)), u.connects("takes it without the list", u.shown(RevokedLeaf, nil)))
	u.mutual("sslcert and sslkey", "sslpassword: the key is encrypted", "PRIVATE_KEY")
	declined := func(mode string) Offer {
		return u.at(0, func(o *Offer) { o.Act, o.Setup.Mode = Decline, mode })
	}
	refused := Want{Outcome: Refused, Reason: "SERVER_WITHOUT_TLS"}
	clear := Want{Outcome: Plaintext}
	prefers := Control{u.same("with prefer goes on in the clear"), declined("prefer"), clear}
	for _, mode := range []string{"require", "verify-full"} {
		u.add(Client, "declined-"+mode, declined(mode), refused, "a server, or somebody in between, that says that it has no TLS: sslmode="+mode+" ends there", prefers)
	}
	u.add(Client, "declined-prefer", declined("prefer"), refused, "libpq's default sslmode, prefer, goes on in "+
		"the clear where it is told that there is no TLS: set verify-full",
		Control{u.same("with disable goes on in the clear"), declined("disable"), clear})
	u.cases[len(u.cases)-1].Residual = true
	if libpq := libpqOf(version); libpq >= 17 {
		direct := func(o *Offer) { o.Setup.Direct = true }
		u.add(Client, "direct", u.at(u.v, direct), Want{Outcome: Connected, Version: u.v},
			"sslnegotiation=direct: nothing is said in the clear",
			Control{u.same("is refused by " + (u.v - 1).String()), u.at(u.v-1, direct), refusedBy(FromJudge, alertVersion)})
	}
}

// libpqOf is the major version of the libpq in a version of psycopg2, such as "2.9.10 (libpq 17.11)" or of
// psql; 0 where it is not known.
func libpqOf(version string) (major int) {
	_, rest, _ := strings.Cut(version, "(libpq ")
	fmt.Sscanf(rest, "%d", &major)
	return major
}
