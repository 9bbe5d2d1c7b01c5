package verify

import (
	"slices"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

type named struct {
	name string
	v    wire.Version
}

// below are the TLS versions under the floor.
func (t *table) below() []named {
	all := []named{{"tls12", wire.TLS12}, {"tls11", wire.TLS11}, {"tls10", wire.TLS10}}
	return slices.DeleteFunc(all, func(n named) bool { return n.v >= t.v })
}

// command are the cases for a client of which nothing is known but its exit status and what it sends.
func (t *table) command() {
	at := func(act Act, v wire.Version, leaf Leaf) Offer {
		return Offer{Who: Command, Act: act, Version: v, Leaf: leaf}
	}
	weak := func(o Offer, outcome Outcome) Control {
		o.Setup = perm
		return weakly(o, outcome)
	}
	floor := func(leaf Leaf) Offer {
		o := at(Serve, wire.TLS13, leaf)
		o.Least = t.v
		return o
	}
	connects := Control{"same command reaches " + t.v.String() + " or later", floor(GoodLeaf), Want{Outcome: Connected}}
	low := at(Serve, wire.TLS11, GoodLeaf)
	t.add(Client, "client-floor", connects.Offer, connects.Want, "what is at the floor or above must work, with the run's CA as the only trust",
		Control{"same command is refused by " + wire.TLS11.String(), low, Want{Outcome: Refused, Alert: wire.ProtocolVersion}})
	for _, r := range t.below() {
		o := at(Serve, r.v, GoodLeaf)
		t.add(Client, "client-"+r.name, o, Want{Outcome: Refused, Alert: wire.ProtocolVersion}, "a server that speaks nothing newer: its hello offers nothing below the floor, and it ends with an error", connects, weak(o, Connected))
		o.Act = Answer
		t.add(Client, "client-raw-"+r.name, o, Want{Outcome: Refused, Alert: wire.ProtocolVersion, From: FromSubject}, "a server that ignores what was offered and simply says an old version", connects, weak(o, Proceeds))
	}
	for _, r := range []struct {
		name string
		leaf Leaf
	}{{"untrusted", UntrustedLeaf}, {"expired", ExpiredLeaf}, {"notyet", NotYetLeaf}, {"wronghost", OtherNameLeaf}} {
		t.add(Trust, "trust-"+r.name, floor(r.leaf), Want{Outcome: Refused, Hello: wire.MaxPayload}, "a certificate that is not to be trusted: it ends with an error", connects)
	}
}

// endpoint are the hellos for a server of which nothing is known but what it answers.
func (t *table) endpoint() {
	at := func(v wire.Version) Offer { return Offer{Who: Endpoint, Act: Greet, Version: v} }
	weak := func(o Offer) Control {
		if o.Setup = perm; o.Version == wire.SSL30 {
			o.Setup = ssl3
		}
		return weakly(o, Answered)
	}
	newest := at(wire.TLS13)
	for v := wire.TLS13; v >= t.v; v-- {
		newest.Lists = append(newest.Lists, v)
	}
	answers := Control{"same server answers " + t.v.String() + " or later", newest, Want{Outcome: Answered}}
	refuse := refusedBy(FromSubject, "")
	t.add(Server, "server-floor", answers.Offer, answers.Want, "what is at the floor or above must be answered", Control{"same server refuses TLS 1.1", at(wire.TLS11), refuse})
	for _, r := range t.below() {
		t.add(Server, "server-"+r.name, at(r.v), refuse, "a hello of at most this version", answers, weak(at(r.v)), odd(weak(at(r.v))))
	}
	fallback := at(wire.TLS11)
	fallback.Fallback = true
	plain := weak(at(wire.TLS11))
	t.add(Server, "server-tls11-scsv", fallback, refuse, "70: the version is not there. 86 would mean that it is, and that only the fallback was refused (RFC 7507 section 3)", answers, plain, odd(plain))
	// Not every server has an alert for these: SSLv3 has none, and to hang up is an answer too. But the
	// hello has every suite there is.
	silent := Want{Outcome: Refused, Unlike: []wire.Description{wire.InternalError, wire.InsufficientSecurity, wire.UnrecognizedName}}
	old := at(wire.SSL30)
	t.add(Server, "server-ssl3", old, silent, "SSLv3 (RFC 7568)", answers, weak(old), odd(weak(old)))
	old.Named = true
	t.add(Server, "server-ssl3-name", old, silent, "SSLv3 asked for with the server's name, without which some servers answer nothing", answers, weak(old), odd(weak(old)))
	asks := at(wire.TLS11)
	asks.V2 = true
	t.add(Server, "server-ssl2-tls11", asks, silent, "TLS 1.1 asked for in the format of SSLv2 (RFC 5246 appendix E.2)", answers, weak(asks), odd(weak(asks)))
}

// odd is a weak server's control again, with one suite that hardly any client offers: it shows that the
// hello leaves nothing out.
func odd(c Control) Control {
	c.Offer.Setup.Ciphers = "CAMELLIA128-SHA:@SECLEVEL=0"
	c.Name += ", with Camellia alone"
	return c
}
