package verify

import "github.com/tlsfloor/tlsfloor/verify/wire"

// X509_verify_cert's codes (X509_STORE_CTX_get_error(3ssl)).
const (
	notYetValid   = 9
	expired       = 10
	noIssuer      = 20
	revoked       = 23
	wrongHostname = 62
)

const verifyFailed = "CERTIFICATE_VERIFY_FAILED"

// distrust is the want of a client that refuses a certificate.
func distrust(code int, alert wire.Description) Want {
	return Want{Outcome: Refused, Reason: verifyFailed, Verify: code, Alert: alert, From: FromSubject}
}

// meets is the control that the same program, set up as s, connects to a server that shows the leaf.
func (t *table) meets(name string, s Setup, leaf Leaf) Control {
	return Control{"same python " + name, Offer{Who: Python, Act: Serve, Version: t.v, Leaf: leaf, Setup: s}, Want{Outcome: Connected, Version: t.v}}
}

// trust are the certificates: what the floor protects is worth nothing to a client that takes any.
func (t *table) trust() {
	at := func(leaf Leaf, s Setup) Offer {
		return Offer{Who: Python, Act: Serve, Version: t.v, Leaf: leaf, Setup: s}
	}
	careless, anyName, crl := byDefault, byDefault, byDefault
	careless.Insecure, anyName.AnyName, crl.CRL = true, true, true
	for _, r := range []struct {
		name    string
		leaf    Leaf
		setup   Setup
		want    Want
		why     string
		control Control
	}{
		{"untrusted", UntrustedLeaf, byDefault, distrust(noIssuer, wire.UnknownCA), "a certificate of a CA that nobody trusts", t.meets("takes it without verification", careless, UntrustedLeaf)},
		{"expired", ExpiredLeaf, byDefault, distrust(expired, wire.CertificateExpired), "a certificate of yesterday", t.meets("takes it without verification", careless, ExpiredLeaf)},
		{"notyet", NotYetLeaf, byDefault, distrust(notYetValid, wire.BadCertificate), "a certificate of tomorrow", t.meets("takes it without verification", careless, NotYetLeaf)},
		{"wronghost", OtherNameLeaf, byDefault, distrust(wrongHostname, wire.BadCertificate), "a certificate for another host (RFC 9525)", t.meets("takes it without check_hostname", anyName, OtherNameLeaf)},
		{"crl-hit", RevokedLeaf, crl, distrust(revoked, wire.CertificateRevoked), "a certificate in the CA's revocation list (RFC 5280 section 5)", t.meets("takes it without the list", byDefault, RevokedLeaf)},
	} {
		t.add(Trust, "trust-"+r.name, at(r.leaf, r.setup), r.want, r.why, t.meets("takes the right one", r.setup, GoodLeaf), r.control)
	}
	t.mutual(at)
	t.rotation(at)
}

// mutual are servers that ask for a client's certificate.
func (t *table) mutual(at func(Leaf, Setup) Offer) {
	asked := func(v wire.Version, i Identity) Offer {
		o := at(GoodLeaf, byDefault)
		o.Ask, o.Version, o.Setup.Identity = true, v, i
		return o
	}
	with := func(v wire.Version) Control {
		return Control{"same python with a certificate connects", asked(v, Plain), Want{Outcome: Connected, Version: v}}
	}
	if t.floor == TLS12 {
		t.add(Trust, "trust-mtls-none12", asked(wire.TLS12, NoIdentity), Want{Outcome: Refused, Reason: "SSLV3_ALERT_HANDSHAKE_FAILURE", Alert: wire.HandshakeFailure, From: FromJudge},
			"a server that requires a certificate refuses a client that has none: 40 at TLS 1.2 (RFC 5246 section 7.4.6)", with(wire.TLS12))
	}
	// The alert is encrypted there: beside the hello, the client's word for it is all that is seen.
	t.add(Trust, "trust-mtls-none13", asked(wire.TLS13, NoIdentity), Want{Outcome: Refused, Reason: "TLSV13_ALERT_CERTIFICATE_REQUIRED", Hello: wire.MaxPayload},
		"the same at TLS 1.3, where the alert is 116, and comes after the client has connected (RFC 8446 section 4.4.2.4)", with(wire.TLS13))
	t.add(Trust, "trust-mtls-encrypted-key", asked(t.v, RightPassword), Want{Outcome: Connected, Version: t.v}, "a key that is encrypted, with its password",
		Control{"same python with a wrong password does not even dial", asked(t.v, WrongPassword), Want{Outcome: Refused, Reason: "PEM_LIB", Offered: []wire.Version{}}})
}

// rotation is what keeps clients connected while a server's CA changes: both are trusted in between.
func (t *table) rotation(at func(Leaf, Setup) Offer) {
	trusting := func(a Anchor) Setup {
		s := byDefault
		s.Trust = a
		return s
	}
	for _, r := range []struct {
		name  string
		leaf  Leaf
		other Anchor
	}{{"old", GoodLeaf, NewCA}, {"new", NewLeaf, FirstCA}} {
		t.add(Trust, "trust-rotation-"+r.name, at(r.leaf, trusting(BothCAs)), Want{Outcome: Connected, Version: t.v},
			"a bundle of the old and the new CA takes a server's certificate of either",
			Control{"same python refuses it with the other CA alone", at(r.leaf, trusting(r.other)), distrust(noIssuer, wire.UnknownCA)})
	}
}

// staples are OCSP responses, as openssl s_client -status sees them (RFC 6066 section 8).
func (t *table) staples() {
	at := func(s Staple) Offer {
		return Offer{Who: OpenSSL, Act: Serve, Version: t.v, Staple: s, Setup: Setup{Status: true}}
	}
	says := func(s Staple) Want { return Want{Outcome: Connected, Version: t.v, Staple: s} }
	absent := Control{"same openssl says that there is none", at(NoStaple), says(AbsentStaple)}
	good := Control{"same openssl reads a good one", at(GoodStaple), says(GoodStaple)}
	t.add(Trust, "ocsp-good", at(GoodStaple), says(GoodStaple), "a staple that says good", absent)
	t.add(Trust, "ocsp-revoked", at(RevokedStaple), says(RevokedStaple), "a staple that says revoked is read as such; what follows from it is the application's to decide", good)
	t.add(Trust, "ocsp-absent", at(NoStaple), says(AbsentStaple), "no staple", good)
	t.add(Trust, "ocsp-malformed", at(MalformedStaple), Want{Outcome: Refused, Reason: "INVALID_STATUS_RESPONSE", Alert: wire.BadStatusResponse, From: FromSubject},
		"what is no response ends the connection", good)
}

// residuals are not below the floor and not closed by it. A reader of the proof must know of them.
func (t *table) residuals() {
	residual := func(name string, o Offer, closed Want, why string, controls ...Control) {
		t.add(Client, "residual-"+name, o, closed, why, controls...)
		t.cases[len(t.cases)-1].Residual = true
	}
	revokedStaple := Offer{Who: Python, Act: Serve, Version: t.v, Staple: RevokedStaple, Setup: byDefault}
	residual("staple", revokedStaple, Want{Outcome: Refused, Reason: verifyFailed, Alert: wire.CertificateRevoked, From: FromSubject}, "Python's ssl module does not look at OCSP staples: a server whose staple says revoked is connected to",
		t.meets("takes a good one", byDefault, GoodLeaf),
		Control{"weak openssl reads the staple", Offer{Who: WeakOpenSSL, Act: Serve, Version: t.v, Staple: RevokedStaple, Setup: Setup{Status: true}}, Want{Outcome: Connected, Version: t.v, Staple: RevokedStaple}})
	if t.floor != TLS12 {
		return // TLS 1.3 has no such suites, and no renegotiation
	}
	lowered := func(ciphers string, suite wire.Suite) Offer {
		return Offer{Who: Python, Act: Answer, Version: wire.TLS12, Suite: suite, Setup: Setup{Min: wire.TLS10, Ciphers: ciphers}}
	}
	noCipher := Want{Outcome: Refused, Reason: "NO_CIPHER_MATCH", Offered: []wire.Version{}}
	null, anonymous := lowered("eNULL@SECLEVEL=0", wire.RSANULLSHA256), lowered("aNULL@SECLEVEL=0", wire.AnonAES128SHA256)
	residual("null", null, noCipher, "TLS 1.2 without encryption, for a program that asks for eNULL at security level 0: OpenSSL has no switch to leave these suites out", weakly(null, Proceeds))
	residual("anonymous", anonymous, noCipher, "TLS 1.2 without authentication, for a program that asks for aNULL at security level 0: OpenSSL has no switch to leave these suites out", weakly(anonymous, Proceeds))
	legacy := Offer{Who: Python, Act: Answer, Version: wire.TLS12, Bare: true, Setup: Setup{Min: wire.TLS10, Level0: true, Legacy: !t.era.legacy}}
	why := "a server without RFC 5746, for a program that sets OP_LEGACY_SERVER_CONNECT or a configuration with UnsafeLegacyServerConnect"
	if t.era.legacy {
		why = "a server without RFC 5746, for every program: this OpenSSL connects to it by default"
	}
	residual("legacy-renegotiation", legacy, noRenegotiationInfo, why, weakly(legacy, Proceeds))
}
