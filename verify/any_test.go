package verify

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// goEndpoint is a server that was there before the judge: crypto/tls from a minimum on, or whatever behave
// does.
type goEndpoint struct {
	goPeer
	addr string
}

func endpointOf(t *testing.T, minimum uint16, behave func(net.Conn)) *goEndpoint {
	t.Helper()
	peer, err := NewPeer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := loopback(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if behave != nil {
					behave(conn)
					return
				}
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				tls.Server(conn, &tls.Config{MinVersion: minimum, Certificates: []tls.Certificate{peer.leaves[GoodLeaf]}, CipherSuites: suites}).Handshake()
			}()
		}
	}()
	return &goEndpoint{addr: l.Addr().String()}
}

func (g *goEndpoint) Serve(context.Context, Setup) (Service, error)          { return foreign{g.addr}, nil }
func (g *goEndpoint) Connect(context.Context, Setup, string) (Report, error) { return Report{}, nil }

type foreign struct{ addr string }

func (f foreign) Addr() string                           { return f.addr }
func (f foreign) Report(context.Context) (Report, error) { return Report{}, nil }
func (f foreign) Close() error                           { return nil }

func statuses(t *testing.T, o Options) map[string]Status {
	t.Helper()
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	p, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Status{}
	for _, f := range p.Findings {
		all[f.Case.Name] = f.Status
	}
	if len(all) == 0 || p.Status == Pass && slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Status != Pass }) {
		t.Fatal(p.Summary())
	}
	return all
}

func TestEndpoint(t *testing.T) {
	for _, test := range []struct {
		name    string
		minimum uint16
		behave  func(net.Conn)
		want    map[string]Status
	}{
		{"with a floor", tls.VersionTLS12, nil, map[string]Status{"server-floor": Pass, "server-tls11": Pass, "server-tls10": Pass, "server-tls11-scsv": Pass}},
		{"without", tls.VersionTLS10, nil, map[string]Status{"server-floor": Unproven, "server-tls11": Fail, "server-tls10": Fail, "server-tls11-scsv": Fail}},
		{"that hangs up", 0, func(net.Conn) {}, map[string]Status{"server-floor": Unproven, "server-tls11": Unproven, "server-ssl2-tls11": Unproven}},
		{"that is silent", 0, func(c net.Conn) { c.Read(make([]byte, 1)); c.Read(make([]byte, 1<<16)); c.Read(make([]byte, 1)) }, map[string]Status{"server-floor": Unproven, "server-tls11": Unproven, "server-ssl2-tls11": Unproven}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := statuses(t, Options{Kind: KindServer, Open: func(b Bench) Subjects {
				return Subjects{Endpoint: endpointOf(t, test.minimum, test.behave), WeakOpenSSL: &goPeer{files: b.Files, floor: tls.VersionTLS10}}
			}})
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s: %s, not %s", name, got[name], want)
				}
			}
		})
	}
}

func TestCommandSubject(t *testing.T) {
	for floor, want := range map[uint16]map[string]Status{
		tls.VersionTLS12: {"client-floor": Pass, "client-tls11": Pass, "client-tls10": Pass, "trust-untrusted": Pass},
		tls.VersionTLS10: {"client-floor": Fail, "client-tls11": Fail, "client-tls10": Fail, "client-raw-tls11": Fail, "trust-untrusted": Pass},
	} {
		got := statuses(t, Options{Kind: KindClient, Toolchain: Toolchain{Command: "client"}, Open: func(b Bench) Subjects {
			return Subjects{Command: wordless{&goPeer{files: b.Files, floor: floor}}, WeakOpenSSL: &goPeer{files: b.Files, floor: tls.VersionTLS10}}
		}})
		for name, want := range want {
			if got[name] != want {
				t.Errorf("floor %04x: %s: %s, not %s", floor, name, got[name], want)
			}
		}
	}
}

// A client that comes again with less is seen, whatever its first connection was and its exit status is.
func TestClientThatComesAgain(t *testing.T) {
	got := statuses(t, Options{Kind: KindClient, Toolchain: Toolchain{Command: "client"}, Open: func(b Bench) Subjects {
		first, second := wordless{&goPeer{files: b.Files, floor: tls.VersionTLS12}}, wordless{&goPeer{files: b.Files, floor: tls.VersionTLS10}}
		return Subjects{Command: insistent{first, second}, WeakOpenSSL: &goPeer{files: b.Files, floor: tls.VersionTLS10}}
	}})
	for name, want := range map[string]Status{"client-floor": Pass, "client-tls11": Fail, "client-tls10": Fail} {
		if got[name] != want {
			t.Errorf("%s: %s, not %s", name, got[name], want)
		}
	}
}

// insistent looks whether the port is open, connects, and where that fails tries once more with less; it
// always ends with an error then.
type insistent struct{ first, second wordless }

func (i insistent) Connect(ctx context.Context, s Setup, addr string) (Report, error) {
	if conn, err := net.Dial("tcp4", addr); err == nil {
		conn.Close()
	}
	r, err := i.first.Connect(ctx, s, addr)
	if !r.OK {
		i.second.Connect(ctx, s, addr)
	}
	return r, err
}
func (i insistent) Serve(ctx context.Context, s Setup) (Service, error) { return i.first.Serve(ctx, s) }
func (i insistent) Inspect(ctx context.Context, a Act) (Report, error) {
	return i.first.Inspect(ctx, a)
}
func (i insistent) Close() error { return nil }

// wordless is a client that says no more than an exit status does.
type wordless struct{ *goPeer }

func (w wordless) Connect(ctx context.Context, s Setup, addr string) (Report, error) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return Report{}, err
	}
	defer conn.Close()
	s.Min = wire.Version(w.floor)
	if err := tls.Client(conn, w.config(s)).HandshakeContext(ctx); err != nil {
		return Report{Reason: "EXIT_1"}, nil
	}
	return Report{OK: true}, nil
}

// The cases of one program alone are the toolchain's for it, and their controls need nothing but it and the
// weak peers.
func TestKinds(t *testing.T) {
	for _, kind := range []Kind{KindToolchain, KindPython, KindOpenSSL, KindClient, KindServer} {
		for _, floor := range []Floor{TLS12, TLS13} {
			cases := CasesOf(kind, floor, "3.5.7", "3.13.15")
			if len(cases) < 5 {
				t.Errorf("%s, floor %s: %d cases", kind, floor, len(cases))
			}
			for _, c := range cases {
				if c.Why == "" || len(c.Controls) == 0 {
					t.Errorf("%s: %s: without why or control", kind, c.Name)
				}
				for _, control := range c.Controls {
					if who := control.Offer.Who; kind != KindToolchain && !who.Weak() && who != c.Offer.Who {
						t.Errorf("%s: %s needs %s", kind, c.Name, who)
					}
				}
			}
		}
	}
	if n := len(CasesOf("other", TLS12, "3.5.7", "3.13.15")); n != 0 {
		t.Errorf("an unknown kind has %d cases", n)
	}
}

func TestSharedTLS(t *testing.T) {
	c := &court{Options: Options{}.withDefaults()}
	shared := func(path string) ([]string, error) { return c.sharedTLS(t.Context(), path) }
	if none, err := shared("/bin/sh"); err != nil || len(none) > 0 {
		t.Errorf("a program without TLS: %v, %v", none, err)
	}
	text := filepath.Join(t.TempDir(), "text")
	os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755)
	if _, err := shared(text); err == nil {
		t.Error("a script is read as a program")
	}
	const openssl = "/usr/bin/openssl"
	if _, err := os.Stat(openssl); err != nil {
		t.Skip("the host has no openssl")
	}
	found, err := shared(openssl)
	if err != nil || len(found) > 0 && !strings.Contains(found[0]+found[len(found)-1], "libssl") {
		t.Errorf("%v, %v", found, err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(openssl, link); err != nil {
		t.Fatal(err)
	}
	if again, err := shared(link); err != nil || !slices.Equal(again, found) {
		t.Errorf("by a link: %v, %v", again, err)
	}
}

// The host's own programs are heard, and change neither status nor verdict.
func TestHostIsApart(t *testing.T) {
	open := func(b Bench) Subjects {
		return Subjects{Python: &goPeer{files: b.Files, floor: tls.VersionTLS12}, HostPython: &goPeer{files: b.Files, floor: tls.VersionTLS10}}
	}
	p, err := Run(t.Context(), Options{Open: open, OpenSSLVersion: "3.5.7"})
	if err != nil {
		t.Fatal(err)
	}
	below := 0
	for _, h := range p.Hosts {
		if h.Below {
			below++
		}
	}
	if below == 0 || below == len(p.Hosts) {
		t.Errorf("%d of %d go below the floor", below, len(p.Hosts))
	}
	var table strings.Builder
	p.WriteTable(&table, false)
	if !strings.Contains(table.String(), "host's python, for comparison, goes below the floor in ") {
		t.Error("the table does not name the host's python")
	}
	before := string(p.Verdict())
	if p.Hosts = nil; string(p.Verdict()) != before {
		t.Error("the host's programs are in the verdict")
	}
}
