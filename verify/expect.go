package verify

import (
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// era holds what differs between OpenSSL's versions for the same behaviour.
type era struct {
	noProtocols wire.Description // alert when a client has no version left to offer
	legacy      bool             // a client connects to servers without RFC 5746 by default (SSL_OP_LEGACY_SERVER_CONNECT)
	level2      bool             // the default security level is 2
	sentinels   bool             // a hello of TLS 1.2 is held against both sentinels, as RFC 8446 section 4.1.3 wants it
}

// eras are looked up by the longest prefix of the version. All rows were measured with 3.5 unless they say
// otherwise.
var eras = map[string]era{
	// 3.0 looks at the bounds in tls_setup_handshake and sends protocol_version.
	// Its SSL_CTX_new no longer sets SSL_OP_LEGACY_SERVER_CONNECT.
	"": {noProtocols: wire.ProtocolVersion, sentinels: true, level2: true},
	// Before 3.2 the default security level is 1.
	"3.0": {noProtocols: wire.ProtocolVersion, sentinels: true},
	// Derived from 1.1.1w's tls_construct_client_hello: it notices while it writes the hello, and calls that
	// an internal error.
	"1.1.1": {noProtocols: wire.InternalError, legacy: true},
}

func eraOf(openssl string) (e era) {
	longest := -1
	for prefix, candidate := range eras {
		if strings.HasPrefix(openssl, prefix) && len(prefix) > longest {
			e, longest = candidate, len(prefix)
		}
	}
	return e
}

// helloLimit in bytes leaves room for the headers of IPv6, TCP and a tunnel in a packet of 1,500.
const helloLimit = 1400

// The setups: how far the subject is asked to lower its guard.
var (
	byDefault = Setup{Context: "default"}
	perm      = Setup{Min: wire.TLS10, Level0: true}
	seclevel0 = Setup{Context: "default", Min: wire.TLS10, Level0: true}
	byConf    = Setup{Conf: true, Min: wire.TLS10, Level0: true}
	onlyConf  = Setup{Conf: true}
	conf12    = Setup{Conf: true, Max: wire.TLS12}
	max12     = Setup{Min: wire.TLS10, Max: wire.TLS12, Level0: true}
	max11     = Setup{Min: wire.TLS10, Max: wire.TLS11, Level0: true}
	method11  = Setup{Context: "TLSv1_1", Level0: true}
	dtls1     = Setup{Context: "dtls1", Level0: true}
	ssl3      = Setup{Min: wire.SSL30, Level0: true}
)

// The library's reasons, in the spelling of Python's SSLError.reason.
const (
	alertVersion = "TLSV1_ALERT_PROTOCOL_VERSION" // the peer said 70
	unsupported  = "UNSUPPORTED_PROTOCOL"         // the peer's version was refused
	noProtocols  = "NO_PROTOCOLS_AVAILABLE"       // nothing left to offer
	// A server's two refusals differ in ssl_choose_server_version (1.1.1 to 3.5): UNSUPPORTED_PROTOCOL where
	// a version is there and switched off, this one where it is not there.
	notThere = "VERSION_TOO_LOW"
)

// ExpectedCases lists every case that a proof of a toolchain must hold, in the order of the report.
func ExpectedCases(floor Floor, openssl, python string) []Case {
	return CasesOf(KindToolchain, floor, openssl, python)
}

// CasesOf lists every case that a proof of this kind must hold for the floor and the versions; of a Python,
// for its client libraries too. There is none for another floor than TLS12 and TLS13, and none for another
// kind or library, so that a proof of it is never complete.
func CasesOf(kind Kind, floor Floor, openssl, python string, libraries ...Installed) []Case {
	if floor != TLS12 && floor != TLS13 {
		return nil
	}
	t := table{floor: floor, v: wire.Version(floor), era: eraOf(openssl)}
	switch kind {
	case KindClient:
		t.command()
		return t.cases
	case KindServer:
		t.endpoint()
		return t.cases
	}
	t.toolchain()
	for _, l := range libraries {
		if kind == KindOpenSSL || kind == KindToolchain && !l.Library.libpq() || !t.library(l) {
			return nil
		}
	}
	switch kind {
	case KindToolchain:
		return t.cases
	case KindPython, KindOpenSSL:
		return slices.DeleteFunc(t.cases, func(c Case) bool {
			// a command has neither headers nor libssl.a
			return string(c.Offer.Who) != string(kind) || kind == KindOpenSSL && (c.Offer.Act == Macros ||
				c.Offer.Act == Versions)
		})
	}
	return nil
}

func (t *table) toolchain() {
	t.positives()
	t.clients()
	t.crafted()
	for _, who := range []Who{OpenSSL, Python} {
		t.servers(who)
	}
	t.serverConf()
	t.plain()
	t.trust()
	t.staples()
	t.static()
	t.residuals()
}

// table is the list being written.
type table struct {
	floor Floor
	v     wire.Version // the floor as a version
	era   era
	cases []Case
}

func (t *table) add(role Role, name string, o Offer, w Want, why string, controls ...Control) {
	t.cases = append(t.cases, Case{Name: name, Role: role, Offer: o, Want: w, Why: why, Controls: controls})
}

// works is the control that the same program, set up the same way, succeeds at version v.
func works(o Offer, v wire.Version) Control {
	o.Version, o.Act, o.Says = v, Serve, 0
	return Control{"same " + string(o.Who) + " reaches " + v.String(), o, Want{Outcome: Connected, Version: v}}
}

// weakly is the control that a weak peer, under the same offer, does what the subject must not.
func weakly(o Offer, outcome Outcome) Control {
	o.Who = map[Who]Who{Python: WeakPython, OpenSSL: WeakOpenSSL, Command: WeakOpenSSL, Endpoint: WeakOpenSSL}[o.Who]
	w := Want{Outcome: outcome, Version: o.Version}
	return Control{string(o.Who) + " " + string(outcome) + " " + o.Version.String(), o, w}
}

// refusedBy is the want of a refusal with alert 70 from side.
func refusedBy(side Side, reason string) Want {
	return Want{Outcome: Refused, Reason: reason, Alert: wire.ProtocolVersion, From: side}
}

// offers are the versions of a client that was told no maximum.
func (t *table) offers() []wire.Version {
	if t.floor == TLS13 {
		return []wire.Version{wire.TLS13}
	}
	return []wire.Version{wire.TLS13, wire.TLS12}
}

// positives: a toolchain that cannot connect at all would refuse everything too.
func (t *table) positives() {
	for _, v := range t.offers() {
		o := Offer{Who: Python, Act: Serve, Version: v, Setup: byDefault}
		name := map[wire.Version]string{wire.TLS12: "client-tls12", wire.TLS13: "client-tls13"}[v]
		low := Offer{Who: Python, Act: Serve, Version: t.v - 1, Setup: byDefault}
		t.add(Client, name, o, Want{Outcome: Connected, Version: v, Offered: t.offers()},
			"what is at or above the floor must work, with the default context and full verification",
			Control{"same python is refused by " + low.Version.String(), low, refusedBy(FromJudge, alertVersion)})
	}
	if t.floor == TLS13 {
		o := Offer{Who: Python, Act: Serve, Version: wire.TLS12, Setup: perm}
		t.add(Client, "client-tls12", o, t.hello(), "a floor of 1.3 leaves TLS 1.2 out as well", works(o, t.v), weakly(o, Connected))
	}
}

// hello is the want of a client whose supported_versions hold nothing that the judge speaks.
func (t *table) hello() Want {
	w := refusedBy(FromJudge, alertVersion)
	w.Offered = t.offers()
	return w
}

func (t *table) clients() {
	for _, v := range []wire.Version{wire.TLS11, wire.TLS10} {
		id := map[wire.Version]string{wire.TLS11: "client-tls11", wire.TLS10: "client-tls10"}[v]
		plain := Offer{Who: Python, Act: Serve, Version: v, Setup: byDefault}
		low := Offer{Who: Python, Act: Serve, Version: v, Setup: perm}
		t.add(Client, id+"-default", plain, t.hello(), "what a program gets that asks for nothing: the hello offers only what the floor allows",
			works(plain, t.v), weakly(low, Connected))
		t.add(Client, id+"-perm", low, t.hello(), "minimum_version lowered and SECLEVEL=0: policy is gone, only compiled code is left",
			works(low, t.v), weakly(low, Connected))
	}
	o := Offer{Who: Python, Act: Serve, Version: wire.TLS11, Setup: seclevel0}
	t.add(Client, "client-seclevel0", o, t.hello(), "a distribution's Python connects at TLS 1.1 as soon as the security level is 0: it has no floor",
		works(o, t.v), weakly(o, Connected))
	o.Setup = byConf
	t.add(Client, "client-conf", o, t.hello(), "an OPENSSL_CONF that allows everything, and the same asked for in code, since Python's contexts override the file: a process started under it is no weaker. That the library itself reads the file is shown by client-conf-openssl and server-conf-openssl",
		works(o, t.v), weakly(o, Connected))
	t.bounded()
	t.size()
}

// size is the length of an ordinary hello.
func (t *table) size() {
	o := Offer{Who: Python, Act: Serve, Version: t.v, Setup: byDefault}
	long := o
	long.Setup.Long = true
	t.add(Client, "client-hello-size", o, Want{Outcome: Connected, Version: t.v, Hello: helloLimit},
		"firewalls drop a hello that does not fit into one packet: a hybrid key share of 1,216 bytes has to wait until a server asks for it",
		Control{"same python with long ALPN names is longer", long, Want{Outcome: Connected, Version: t.v, Longer: helloLimit}})
}

// bounded are the clients with a maximum: the floor is met from above, so they refuse by themselves.
func (t *table) bounded() {
	refuse := func(v wire.Version) Want {
		if v >= t.v {
			return refusedBy(FromSubject, unsupported)
		}
		return Want{Outcome: Refused, Reason: noProtocols, Alert: t.era.noProtocols, From: FromSubject, Offered: []wire.Version{}}
	}
	at := func(who Who, s Setup) Offer { return Offer{Who: who, Act: Serve, Version: wire.TLS11, Setup: s} }
	weaker := func(who Who, s Setup) Control { return weakly(at(who, s), Connected) }
	t.add(Client, "client-conf-openssl", at(OpenSSL, conf12), refuse(wire.TLS12),
		"openssl s_client lowered by an OPENSSL_CONF alone, with TLS 1.3 off so that the refusal is its own and not the server's",
		works(at(OpenSSL, onlyConf), t.v), weaker(OpenSSL, conf12))
	o := at(Python, max12)
	t.add(Client, "client-max12-sec0", o, refuse(wire.TLS12), "without supported_versions the server may pick 1.1, and the client itself must refuse",
		works(at(Python, perm), t.v), weaker(Python, max12))
	t.add(Client, "client-max11", at(Python, max11), refuse(wire.TLS11), "a client that may only speak 1.1 has nothing to offer and sends no hello",
		works(at(Python, perm), t.v), weaker(Python, max11))
	t.add(Client, "client-method11", at(Python, method11), Want{Outcome: Refused, Reason: "ValueError", Offered: []wire.Version{}},
		"the fixed-version method needs no negotiation: it must not exist", works(at(Python, perm), t.v), weaker(Python, method11))
}

// crafted are the ServerHellos of a server that lies.
func (t *table) crafted() {
	type row struct {
		name string
		v    wire.Version
		s    Setup
	}
	rows := []row{{"client-raw0302-perm", wire.TLS11, perm}, {"client-raw0301-perm", wire.TLS10, perm}, {"client-raw0300", wire.SSL30, ssl3}}
	if t.floor == TLS13 {
		rows = append([]row{{"client-raw0303-perm", wire.TLS12, perm}}, rows...)
	}
	for _, r := range rows {
		o := Offer{Who: Python, Act: Answer, Version: r.v, Setup: r.s}
		controls := []Control{works(o, t.v), weakly(o, Proceeds)}
		if t.floor == TLS12 {
			honest := o
			honest.Version = wire.TLS12
			controls = append(controls, Control{"same python accepts a crafted TLS 1.2 hello", honest, Want{Outcome: Proceeds, Version: wire.TLS12}})
		}
		t.add(Client, r.name, o, refusedBy(FromSubject, unsupported), "a server that ignores what was offered and simply says an old version", controls...)
	}
	o := Offer{Who: Python, Act: Answer, Version: wire.TLS12, Says: wire.TLS11, Setup: perm}
	t.add(Client, "client-sv0302", o, Want{Outcome: Refused, Reason: "BAD_PROTOCOL_VERSION_NUMBER", Alert: wire.IllegalParameter, From: FromSubject},
		"supported_versions is for TLS 1.3 alone (RFC 8446 section 4.2.1)", works(o, wire.TLS13))
	if t.floor == TLS12 { // with a floor of 1.3 all of these are refused for their version
		t.sentinels()
		t.lies()
	}
}

// sentinels are the randoms of a server that was talked down by somebody between it and the client.
func (t *table) sentinels() {
	for _, v := range []wire.Version{wire.TLS12, wire.TLS11} {
		name := map[wire.Version]string{wire.TLS12: "client-sentinel", wire.TLS11: "client-sentinel11"}[v]
		o := Offer{Who: Python, Act: Answer, Version: wire.TLS12, Sentinel: v, Setup: perm}
		calm := o
		calm.Setup, calm.Sentinel = max12, 0
		t.add(Client, name, o, Want{Outcome: Refused, Reason: "INAPPROPRIATE_FALLBACK", Alert: wire.IllegalParameter, From: FromSubject},
			"a server's random that says it was talked down from TLS 1.3 to "+v.String()+" (RFC 8446 section 4.1.3)",
			Control{"same python with maximum 1.2 proceeds", calm, Want{Outcome: Proceeds, Version: wire.TLS12}})
		t.cases[len(t.cases)-1].Residual = v == wire.TLS11 && !t.era.sentinels // the other one is what belongs to TLS 1.2
	}
}

// noRenegotiationInfo is the want of a client that a server tells nothing of RFC 5746.
var noRenegotiationInfo = Want{Outcome: Refused, Reason: "UNSAFE_LEGACY_RENEGOTIATION_DISABLED", Alert: wire.HandshakeFailure, From: FromSubject}

// lies are ServerHellos of TLS 1.2 with what a client must not take.
func (t *table) lies() {
	honest := Control{"same python accepts an honest one", Offer{Who: Python, Act: Answer, Version: wire.TLS12, Setup: perm}, Want{Outcome: Proceeds, Version: wire.TLS12}}
	for _, r := range []struct {
		name   string
		suite  wire.Suite
		reason string
	}{{"client-null", wire.RSANULLSHA256, "WRONG_CIPHER_RETURNED"}, {"client-export", wire.RSAExportRC4, "UNKNOWN_CIPHER_RETURNED"}} {
		o := Offer{Who: Python, Act: Answer, Version: wire.TLS12, Suite: r.suite, Setup: perm}
		t.add(Client, r.name, o, Want{Outcome: Refused, Reason: r.reason, Alert: wire.IllegalParameter, From: FromSubject},
			"a suite that was not offered, at security level 0: no encryption, or 40 bits of it", honest)
	}
	if t.era.legacy {
		return // then it is a residual
	}
	o := Offer{Who: Python, Act: Answer, Version: wire.TLS12, Bare: true, Setup: perm}
	allowed := o
	allowed.Setup.Legacy = true
	t.add(Client, "client-no-ri", o, noRenegotiationInfo,
		"a server without renegotiation_info lets somebody between them begin its sessions (CVE-2009-3555, RFC 5746 section 4.1)", honest,
		Control{"same python with OP_LEGACY_SERVER_CONNECT proceeds", allowed, Want{Outcome: Proceeds, Version: wire.TLS12}})
}

// servers are hellos against the subject as a server with everything allowed.
func (t *table) servers(who Who) {
	suffix := "-" + string(who)
	at := func(v wire.Version) Offer { return Offer{Who: who, Act: Greet, Version: v, Setup: perm} }
	answers := func(v wire.Version) Control {
		return Control{"same " + string(who) + " answers " + v.String(), at(v), Want{Outcome: Answered, Version: v}}
	}
	refuse := refusedBy(FromSubject, notThere)
	why := "a server with minimum_version lowered and SECLEVEL=0 must refuse a hello of at most this version"
	for _, v := range t.offers() {
		name := map[wire.Version]string{wire.TLS12: "server-tls12", wire.TLS13: "server-tls13"}[v]
		t.add(Server, name+suffix, at(v), Want{Outcome: Answered, Version: v}, "the same server must answer what is at or above the floor",
			Control{"same " + string(who) + " refuses TLS 1.1", at(wire.TLS11), refuse})
	}
	if t.floor == TLS13 {
		t.add(Server, "server-tls12"+suffix, at(wire.TLS12), refuse, why, answers(t.v), weakly(at(wire.TLS12), Answered))
	}
	t.add(Server, "server-tls11"+suffix, at(wire.TLS11), refuse, why, answers(t.v), weakly(at(wire.TLS11), Answered))
	t.add(Server, "server-tls10"+suffix, at(wire.TLS10), refuse, why, answers(t.v), weakly(at(wire.TLS10), Answered))
	fallback := at(wire.TLS11)
	fallback.Fallback = true
	scsv := weakly(fallback, Refused)
	scsv.Name, scsv.Want = string(scsv.Offer.Who)+" calls the fallback inappropriate", Want{Outcome: Refused, Alert: wire.InappropriateFallback, From: FromSubject}
	t.add(Server, "server-tls11-scsv"+suffix, fallback, refuse, "70: the version is not there. 86 would mean that it is, and that only the fallback was refused (RFC 7507 section 3)", answers(t.v), scsv)
	t.listed(who, suffix, answers(t.v))
	t.ssl2(who, suffix, answers(t.v))
	old := at(wire.SSL30)
	old.Setup = ssl3
	t.add(Server, "server-ssl3"+suffix, old, Want{Outcome: Refused, Reason: notThere, Alert: wire.HandshakeFailure, From: FromSubject, Record: wire.SSL30},
		"SSLv3 has no alert 70: handshake_failure in a record of its own version", answers(t.v), weakly(old, Answered))
}

// listed are the servers' choices where a hello says more than one version.
func (t *table) listed(who Who, suffix string, answers Control) {
	o := Offer{Who: who, Act: Greet, Version: wire.TLS12, Lists: []wire.Version{wire.TLS11, wire.TLS10}, Setup: perm}
	picks := weakly(o, Answered)
	picks.Name, picks.Want.Version = string(picks.Offer.Who)+" picks TLS 1.1 of them", wire.TLS11
	t.add(Server, "server-sv"+suffix, o, refusedBy(FromSubject, unsupported), "supported_versions with old versions only, under a legacy_version that says TLS 1.2: the list counts (RFC 8446 section 4.2.1)", answers, picks)
	if t.floor == TLS12 {
		o = Offer{Who: who, Act: Greet, Version: wire.TLS12, Fallback: true, Setup: perm}
		calm := o
		calm.Fallback = false
		t.add(Server, "server-tls12-scsv"+suffix, o, Want{Outcome: Refused, Reason: "INAPPROPRIATE_FALLBACK", Alert: wire.InappropriateFallback, From: FromSubject},
			"86: a client that says it fell back to 1.2 from something newer, at a server that speaks 1.3 (RFC 7507 section 3)",
			Control{"same " + string(who) + " answers without the signal", calm, Want{Outcome: Answered, Version: wire.TLS12}})
	}
}

// ssl2 are hellos in the format of SSLv2: one that speaks nothing else, and one that asks for TLS 1.1 in it.
func (t *table) ssl2(who Who, suffix string, answers Control) {
	asks := Offer{Who: who, Act: Greet, Version: wire.TLS11, V2: true, Setup: perm}
	weak := weakly(asks, Answered)
	weak.Name = string(weak.Offer.Who) + " answers TLS 1.1 to this format"
	refuse := refusedBy(FromSubject, notThere)
	t.add(Server, "server-ssl2-tls11"+suffix, asks, refuse, "the old format is another way to ask for an old version (RFC 5246 appendix E.2)", answers, weak)
	alone := asks
	alone.Version = wire.SSL20
	t.add(Server, "server-ssl2"+suffix, alone, refusedBy(FromSubject, "UNKNOWN_PROTOCOL"), "SSLv2 itself (RFC 6176)", answers, weak)
}

// serverConf is the server that nothing but the file lowers.
func (t *table) serverConf() {
	o := Offer{Who: OpenSSL, Act: Greet, Version: wire.TLS11, Setup: onlyConf}
	answers := o
	answers.Version = t.v
	t.add(Server, "server-conf-openssl", o, refusedBy(FromSubject, notThere),
		"openssl s_server lowered by an OPENSSL_CONF alone: the file must not bring back what is not there",
		Control{"same openssl answers " + t.v.String(), answers, Want{Outcome: Answered, Version: t.v}}, weakly(o, Answered))
}

// plain are a Python's client and server in a script that is started as people start one: sitecustomize,
// usercustomize and .pth files of its tree are loaded, and nothing tells the interpreter that it is the
