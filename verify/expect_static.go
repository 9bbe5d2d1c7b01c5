package verify

import "github.com/tlsfloor/tlsfloor/verify/wire"

// judge who asks.
func (t *table) plain() {
	s := perm
	s.Plain = true
	const why = "the same in a script, with whatever the tree's site packages add to every start"
	o := Offer{Who: Python, Act: Serve, Version: wire.TLS11, Setup: s}
	t.add(Client, "client-tls11-script", o, t.hello(), why, works(o, t.v), weakly(o, Connected))
	o.Act = Greet
	answers := o
	answers.Version = t.v
	t.add(Server, "server-tls11-script", o, refusedBy(FromSubject, notThere), why,
		Control{"same python answers " + t.v.String(), answers, Want{Outcome: Answered, Version: t.v}},
		weakly(o, Answered))
}

func (t *table) static() {
	for _, look := range []struct {
		name      string
		who, weak Who // a who that is its own weak peer is held against the C library
		act       Act
		match     string
		why       string
	}{
		{"static-link", OpenSSL, WeakOpenSSL, Methods, "", "a C program that calls a fixed-version method " +
			"connects below the floor, unless it does not link: no-tls1_1 alone leaves the methods in"},
		{"static-versions", OpenSSL, WeakOpenSSL, Versions, "",
			"the tables of libssl.a that versions are negotiated from: below the floor none has a method"},
		{"static-ctypes", Python, WeakPython, Symbols, "",
			"the same through ctypes on the running interpreter: neither defined nor imported"},
		{"static-macros", OpenSSL, WeakOpenSSL, Macros, "",
			"what is compiled against the installed headers must know that the versions are gone"},
		{"static-has", Python, WeakPython, Has, "",
			"ssl.HAS_* and the fixed-version constructors are the read-backs that do not lie"},
		{"static-import", Python, WeakPython, Imports, "", "what import ssl loads for a script, whatever the " +
			"tree's site packages add: the standard library's"},
		{"static-needed", Python, Python, Needed, "libssl,libcrypto",
			"a shared OpenSSL could be exchanged under the Python, or be the system's"},
		{"static-maps", Python, Python, Maps, "libssl,libcrypto",
			"the same, seen in the process that ran the client cases"},
	} {
		o := Offer{Who: look.who, Act: look.act, Match: look.match}
		c := Offer{Who: look.weak, Act: look.act, Match: look.match}
		name := string(look.weak) + " has them"
		if look.weak == look.who {
			c.Match, name = "libc.,libc-,ld-", "the same look finds the C library"
		}
		t.add(Static, look.name, o, Want{Outcome: Absent}, look.why, Control{name, c, Want{Outcome: Present}})
	}
	if t.floor >= TLS12 {
		o := Offer{Who: OpenSSL, Act: Listen, Version: wire.DTLS10, Setup: dtls1}
		t.add(Static, "static-dtls1", o, Want{Outcome: Refused, Reason: "UNKNOWN_OPTION"},
			"DTLS 1.0 is TLS 1.1 on datagrams", weakly(o, Proceeds))
	}
}
