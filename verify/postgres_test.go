package verify

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// met has preamble on one end of a connection on which says is said, and returns what was answered, what it
// read beyond its own, and what became of it.
func met(t *testing.T, c *court, o Offer, says string) (answers, rest string, declined bool, err error) {
	t.Helper()
	l := loopback(t)
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := bounded(ctx, conn)
	io.WriteString(client, says)
	client.(*net.TCPConn).CloseWrite()
	declined, err = c.preamble(ctx, r, o)
	left, _ := io.ReadAll(r)
	r.Close()
	got, _ := io.ReadAll(client)
	return string(got), string(left), declined, err
}

func TestPreamble(t *testing.T) {
	const ssl, gss = "\x00\x00\x00\x08\x04\xd2\x16\x2f", "\x00\x00\x00\x08\x04\xd2\x16\x30"
	backend := loopback(t)
	defer backend.Close()
	go func() {
		for {
			conn, err := backend.Accept()
			if err != nil {
				return
			}
			io.Copy(conn, conn) // says what it was told
			conn.Close()
		}
	}()
	tools := Toolchain{Backends: map[Library]string{Psycopg2: backend.Addr().String()}}
	with := &court{Options: Options{Toolchain: tools}.withDefaults()}
	asks, declines := Offer{Act: Serve, Setup: Setup{StartTLS: Postgres}}, Offer{Act: Decline, Setup: Setup{StartTLS: Postgres, Library: Psycopg2}}
	for name, test := range map[string]struct {
		c             *court
		o             Offer
		says          string
		answers, rest string
		declined      bool
		fails         bool
	}{
		"TLS is asked for":           {with, asks, ssl + "\x16\x03\x01", "S", "\x16\x03\x01", false, false},
		"GSS first":                  {with, asks, gss + ssl + "\x16", "NS", "\x16", false, false},
		"TLS at once":                {with, asks, "\x16\x03\x01\x00", "", "\x16\x03\x01\x00", false, false},
		"another protocol":           {with, Offer{Act: Serve}, "\x16\x03", "", "\x16\x03", false, false},
		"in the clear":               {with, asks, "\x00\x00\x00\x09\x00\x03\x00\x00\x00", "", "\x00", false, true},
		"declined, and it goes on":   {with, declines, ssl + "\x00\x00\x00\x09\x00\x03\x00\x00\x00", "N\x00\x00\x00\x09\x00\x03\x00\x00\x00", "", true, false},
		"declined, and it goes away": {with, declines, ssl, "N", "", false, true},
		"declined without a backend": {&court{}, Offer{Act: Decline, Setup: Setup{StartTLS: Postgres}},
			ssl + "\x00\x00\x00\x09\x00\x03\x00\x00", "N", "", false, true},
		"declined, to libpq, and a length that is none": {&court{}, declines,
			ssl + "\x00\x00\x00\x03\x00\x03\x00\x00", "N", "", true, false},
		"it hangs up":    {with, asks, "", "", "", false, true},
		"half a request": {with, asks, ssl[:5], "", "", false, true},
		"without end":    {with, asks, strings.Repeat(gss, 50), "NNNN", strings.Repeat(gss, 46), false, true},
	} {
		answers, rest, declined, err := met(t, test.c, test.o, test.says)
		if answers != test.answers || rest != test.rest || declined != test.declined || (err != nil) != test.fails {
			t.Errorf("%s: answered %q, left %q, declined %v, %v", name, answers, rest, declined, err)
		}
	}
}

// TestSpeakPostgres: a session as libpq has it, and messages that no client sends.
func TestSpeakPostgres(t *testing.T) {
	say := func(kind, body string) string { return pgMessage(kind, body) }
	startup := pgMessage("", "\x00\x03\x00\x00user\x00proof\x00\x00")
	for name, test := range map[string]struct {
		says  string
		hears []string
	}{
		"psql": {startup + say("Q", "SELECT 'hello\n'\x00") + say("X", ""),
			[]string{"R\x00\x00\x00\x08\x00\x00\x00\x00", "server_version\x00", "Z\x00\x00\x00\x05I",
				"\x00\x00\x00\x06hello\n", "SELECT 1\x00", "Z\x00\x00\x00\x05I"}},
		"psycopg2": {startup + say("Q", "BEGIN\x00") + say("Q", "SELECT E'a'\x00") + say("Q", "COMMIT\x00"),
			[]string{"BEGIN\x00", "Z\x00\x00\x00\x05T", "\x00\x00\x00\x01a", "Z\x00\x00\x00\x05T",
				"COMMIT\x00", "Z\x00\x00\x00\x05I"}},
		"no text":        {startup + say("Q", "SELECT 1\x00"), []string{"SELECT\x00"}},
		"half a quote":   {startup + say("Q", "SELECT '\x00"), []string{"SELECT 1\x00"}},
		"another thing":  {startup + say("P", "x"), []string{"Z\x00\x00\x00\x05I"}},
		"nothing":        {"", nil},
		"too long":       {"\x7f\xff\xff\xff", nil},
		"shorter itself": {"\x00\x00\x00\x01", nil},
	} {
		in := strings.NewReader(test.says)
		var out strings.Builder
		speakPostgres(struct {
			io.Reader
			io.Writer
		}{in, &out})
		rest := out.String()
		for _, part := range test.hears {
			i := strings.Index(rest, part)
			if i < 0 {
				t.Fatalf("%s: no %q in %q", name, part, out.String())
			}
			rest = rest[i+len(part):]
		}
		if test.hears == nil && rest != "" {
			t.Errorf("%s: %q", name, rest)
		}
	}
}

func TestLibpqOf(t *testing.T) {
	for version, want := range map[string]int{"2.9.10 (libpq 17.11)": 17, "2.9.5 (libpq 9.6)": 9, "2.9.10": 0, "": 0, "2.9.10 (libpq x)": 0} {
		if got := libpqOf(version); got != want {
			t.Errorf("%q: %d", version, got)
		}
	}
	names := func(version string) (all []string) {
		for _, c := range CasesOf(KindPython, TLS12, "3.5.7", "3.13.15", Installed{Psycopg2, version}) {
			all = append(all, c.Name)
		}
		return all
	}
	old, current := names("2.9.5 (libpq 15.18)"), names("2.9.10 (libpq 17.11)")
	if len(current) != len(old)+1 {
		t.Errorf("direct TLS is expected of libpq 15 as well: %v", old)
	}
}

// A client that goes on without TLS has broken the floor, whatever it says then, and on whichever connection.
func TestClearIsABreach(t *testing.T) {
	for _, c := range CasesOf(KindClient, TLS12, "3.5.7", "") {
		f := goodFinding(t, c)
		if status, why := f.judge(TLS12); status != Pass {
			t.Fatalf("%s: %s", c.Name, why)
		}
		f.Trial.More = []Connection{{Transcript: Transcript(nil).add(FromSubject, []byte("\x00\x00\x00\x09\x00\x03\x00\x00")), Clear: true}}
		if status, why := f.judge(TLS12); status != Fail {
			t.Errorf("%s: %s, %s", c.Name, status, why)
		}
	}
	for _, c := range CasesOf(KindPython, TLS12, "3.5.7", "3.13.15", Installed{Psycopg2, "2.9.10 (libpq 17.11)"}) {
		if c.Offer.Act != Decline {
			continue
		}
		f := goodFinding(t, c) // it refuses in its own words
		f.Trial.Clear, f.Trial.Completed = true, true
		if status, _ := f.judge(TLS12); (status == Fail) == c.Residual {
			t.Errorf("%s: %s", c.Name, status)
		}
	}
}
