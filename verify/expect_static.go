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
	look := func(name string, who, weak Who, act Act, match, why string) {
		o, c := Offer{Who: who, Act: act, Match: match}, Offer{Who: weak, Act: act, Match: match}
		name2 := string(weak) + " has them"
		if weak == who {
			c.Match, name2 = "libc.,libc-,ld-", "the same look finds the C library"
		}
		t.add(Static, name, o, Want{Outcome: Absent}, why, Control{name2, c, Want{Outcome: Present}})
	}
	look(
		"static-link",
		OpenSSL,
		WeakOpenSSL,
		Methods,
		"",
		"a C program that calls a fixed-version method connects below the floor, unless it does not "+
			"link: no-tls1_1 alone leaves the methods in",
	)
	look("static-versions", OpenSSL, WeakOpenSSL, Versions, "",
		"the tables of libssl.a that versions are negotiated from: below the floor none has a method")
	look(
		"static-ctypes",
		Python,
		WeakPython,
		Symbols,
		"",
		"the same through ctypes on the running interpreter: neither defined nor imported",
	)
	look(
		"static-macros",
		OpenSSL,
		WeakOpenSSL,
		Macros,
		"",
		"what is compiled against the installed headers must know that the versions are gone",
	)
	look(
		"static-has",
		Python,
		WeakPython,
		Has,
		"",
		"ssl.HAS_* and the fixed-version constructors are the read-backs that do not lie",
	)
	look("static-import", Python, WeakPython, Imports, "",
		"what import ssl loads for a script, whatever the tree's site packages add: the standard library's")
	look(
		"static-needed",
		Python,
		Python,
		Needed,
		"libssl,libcrypto",
		"a shared OpenSSL could be exchanged under the Python, or be the system's",
	)
	look(
		"static-maps",
		Python,
		Python,
		Maps,
		"libssl,libcrypto",
		"the same, seen in the process that ran the client cases",
	)
	if t.floor >= TLS12 {
		o := Offer{Who: OpenSSL, Act: Listen, Version: wire.DTLS10, Setup: dtls1}
		t.add(
			Static,
			"static-dtls1",
			o,
			Want{Outcome: Refused, Reason: "UNKNOWN_OPTION"},
			"DTLS 1.0 is TLS 1.1 on datagrams",
			weakly(o, Proceeds),
		)
	}
}
