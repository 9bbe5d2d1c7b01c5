package server

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

var chunk = make([]byte, 64<<10) // what floods are made of; nobody writes to it

// flood writes until the connection is closed under it.
func flood(c net.Conn, begin []byte) {
	c.Write(begin)
	for {
		if _, err := c.Write(chunk); err != nil {
			return
		}
	}
}

// trickle writes data byte by byte, and repeats its last one for ever.
func trickle(c net.Conn, data []byte) {
	for i := 0; ; i++ {
		if _, err := c.Write(data[min(i, len(data)-1):][:1]); err != nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// within is a peer that first completes a handshake.
func within(behave func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if s.Handshake() == nil {
			behave(s)
		}
	}
}

// hostile are peers that want to hang the server or to make it grow. Each ends when its connection is closed
// under it.
func hostile(t testing.TB) map[string]func(net.Conn) {
	hello := hardenedHello(t)
	return map[string]func(net.Conn){
		"silence":             func(c net.Conn) { io.Copy(io.Discard, c) },
		"garbage":             func(c net.Conn) { flood(c, []byte("SSH-2.0-OpenSSH_9.2\r\n")) },
		"endless hello":       func(c net.Conn) { flood(c, []byte{22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff}) },
		"record that lies":    func(c net.Conn) { flood(c, wire.Record{Type: wire.Handshake, Version: wire.TLS10}.Lying(0xffff)) },
		"trickled hello":      func(c net.Conn) { trickle(c, hello) },
		"hello, then nothing": func(c net.Conn) { c.Write(hello); io.Copy(io.Discard, c) },
		"hello, then flood":   func(c net.Conn) { flood(c, hello) },
		"empty records": func(c net.Conn) {
			for empty := (wire.Record{Type: wire.Handshake, Version: wire.TLS12}).Bytes(); ; {
				if _, err := c.Write(empty); err != nil {
					return
				}
			}
		},
		"never closes": within(func(c net.Conn) {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			io.Copy(io.Discard, c)
			select {}
		}),
		"no request":       within(func(c net.Conn) { io.Copy(io.Discard, c) }),
		"trickled request": within(func(c net.Conn) { trickle(c, []byte("GET / HTTP/1.1\r\nX: y")) }),
		"endless header":   within(func(c net.Conn) { flood(c, []byte("GET / HTTP/1.1\r\nX: ")) }),
		"endless body":     within(func(c net.Conn) { flood(c, []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n")) }),
		"endless chunks": within(func(c net.Conn) {
			flood(c, []byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"))
		}),
		"never reads": within(func(c net.Conn) {
			io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1000))
			select {}
		}),
	}
}

// watchHeap looks at the heap until the returned function is called, which tells the most that was in use.
func watchHeap() (peak func() uint64) {
	var most uint64
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() uint64 {
		close(stop)
		watch.Wait()
		return most
	}
}

// TestHostilePeers measures time and memory while all hostile peers are at the server at once, several of
// each.
func TestHostilePeers(t *testing.T) {
	const timeout, each = 800 * time.Millisecond, 6
	peers := hostile(t)
	r := begin(t, Options{Timeout: timeout, Most: each * len(peers)})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	var gone []net.Conn
	for _, name := range []string{"any", "tls12", "hello-0302"} {
		address := r.address(t, name)
		for range each / 3 {
			for _, behave := range peers {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				gone = append(gone, conn)
				go behave(conn)
			}
		}
	}
	peak := watchHeap()
	for range gone {
		v := r.next(t)
		if v.Verdict == AsItMust && v.Request == "" && v.Version == "" && v.Alert == nil && v.Scenario != "hello-0303" {
			t.Errorf("taken for good: %s", v.Line())
		}
		if len(v.Line()) > 2000 {
			t.Errorf("a line of %d bytes", len(v.Line()))
		}
	}
	took := time.Since(start)
	most := peak()
	for _, c := range gone {
		c.Close()
	}
	grown := max(most, before.HeapAlloc) - before.HeapAlloc
	t.Logf("%d peers: %v, the heap grew by %d KiB at most, the clients' own share included", len(gone), took, grown>>10)
	if bound := uint64(len(gone)) * 256 << 10; grown > bound {
		t.Errorf("the heap grew by %d bytes: more than %d", grown, bound)
	}
	if took > timeout+5*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := r.get(t, "tls12", "/", r.config(t, tls.VersionTLS12)); err != nil {
		t.Errorf("afterwards it does not serve: %v", err)
	}
}

// Each hello with a broken length is refused, and costs nothing.
func TestBrokenHellos(t *testing.T) {
	r := begin(t, Options{Timeout: time.Second})
	records, err := wire.ParseRecords(hardenedHello(t))
	if err != nil {
		t.Fatal(err)
	}
	hello, err := wire.ParseClientHello(records[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	for f := wire.MessageLength; f <= wire.ExtensionLength; f++ {
		for _, delta := range []int{-1, 1, 200} {
			message, _, ok := hello.Broken(f, delta)
			if !ok {
				t.Fatalf("field %d is not there", f)
			}
			for _, name := range []string{"any", "hello-0302"} {
				say(t, r.address(t, name), wire.Flight(message, 1<<14, wire.TLS10))
				if v := r.next(t); v.Verdict != Unclear || v.Version != "" {
					t.Errorf("field %d off by %d: %s", f, delta, v.Line())
				}
			}
		}
	}
}

// A hello with reserved values, in records whose versions disagree, is an honest one.
func TestGreasedHello(t *testing.T) {
	r := begin(t, Options{Timeout: time.Second})
	records, _ := wire.ParseRecords(hardenedHello(t))
	hello, err := wire.ParseClientHello(records[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	message, err := hello.Greased(5).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	say(t, r.address(t, "hello-0303"), wire.Flight(message, 50, wire.SSL30, wire.TLS12, wire.TLS10))
	v := r.next(t)
	if o := v.Offered; o == nil || o.Suites != 2 || len(o.Groups) != 1 || len(o.Versions) != 2 || len(o.Schemes) != 1 {
		t.Errorf("offered %+v: %s", v.Offered, v.Line())
	}
}

// Beyond Most nobody is refused: they wait for a place, which a silent peer holds no longer than Timeout.
func TestMostConnections(t *testing.T) {
	const timeout = 300 * time.Millisecond
	r := begin(t, Options{Timeout: timeout, Most: 2, Scenarios: Scenarios(0)[:1]})
	start := time.Now()
	for range 6 {
		conn, err := net.Dial("tcp", r.address(t, "any"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if text, err := r.get(t, "any", "/", r.config(t, tls.VersionTLS12)); err != nil || !strings.Contains(text, "TLSv1.3") {
		t.Errorf("%v", err)
	}
	if d := time.Since(start); d < 3*timeout-timeout/10 {
		t.Errorf("six silent peers were gone in %v: more than two had a place", d)
	}
	for range 7 {
		r.next(t)
	}
}

// What a client writes into its hello and request does not reach a terminal as it is.
func TestLineIsSafe(t *testing.T) {
	evil := "\x1b[2J\n18:00:00  tls11: " + strings.Repeat("x", 500)
	v := Visit{Scenario: "any", Offered: &Offered{SNI: evil, ALPN: []string{evil}}, Request: evil, Version: "TLS 1.3"}
	v.End = v.end(evidence{completed: true}, false)
	if line := v.Line(); strings.ContainsAny(line, "\x1b\n") || len(line) > 700 {
		t.Errorf("%q", line)
	}
}

// An interrupted server ends although peers hold on, and although nobody reads its reports.
func TestEndsWhateverPeersDo(t *testing.T) {
	r := begin(t, Options{Timeout: time.Minute})
	for _, behave := range hostile(t) {
		conn, err := net.Dial("tcp", r.address(t, "any"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go behave(conn)
	}
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	r.end()
	if d := time.Since(start); d > grace+2*time.Second {
		t.Errorf("took %v", d)
	}
	blocked := make(chan struct{})
	defer close(blocked)
	r = begin(t, Options{Scenarios: Scenarios(0)[:1], Report: func(Visit) { <-blocked }})
	say(t, r.address(t, "any"), nil)
	time.Sleep(50 * time.Millisecond)
	start = time.Now()
	r.end()
	if d := time.Since(start); d > grace+2*time.Second {
		t.Errorf("with a report that blocks: %v", d)
	}
}
