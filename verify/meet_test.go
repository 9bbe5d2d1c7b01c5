package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// unreachable is a listener whose address nobody answers at.
type unreachable struct {
	net.Listener
	addr net.Addr
}

func (u unreachable) Addr() net.Addr { return u.addr }

func TestHostEndsWhenNobodyCanCome(t *testing.T) {
	gone := loopback(t)
	gone.Close()
	connect := func(context.Context, string) (Report, error) { return Report{Reason: noProtocols}, nil }
	end := make(chan error, 1)
	go func() {
		_, err := host(t.Context(), unreachable{loopback(t), gone.Addr()}, connect, func(*recorder) error { return errCrafted })
		end <- err
	}()
	select {
	case err := <-end:
		if err == nil {
			t.Error("the judge could not dial its own listener: no error")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("waits for a client that cannot come")
	}
}

func TestListenWaitsForItsClient(t *testing.T) {
	var ended atomic.Bool
	_, err := listen(t.Context(), func(ctx context.Context, addr string) (Report, error) {
		conn, err := net.Dial("udp4", addr)
		if err != nil {
			return Report{}, err
		}
		defer conn.Close()
		conn.Write([]byte("datagram"))
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond) // a process takes its time to end
		ended.Store(true)
		return Report{}, ctx.Err()
	})
	if err != nil || !ended.Load() {
		t.Errorf("returns while the client runs: %v", err)
	}
}

// A client that has trouble after a completed handshake was below the floor nevertheless.
func TestCompletedHandshakeIsABreach(t *testing.T) {
	cases := ExpectedCases(TLS12, "3.5.7", "3.13.15")
	k := cases[slices.IndexFunc(cases, func(c Case) bool { return c.Name == "client-tls11-perm" })]
	for name, end := range map[string]func() (Report, error){
		"its reading fails": func() (Report, error) { return Report{Reason: "RESET"}, nil },
		"it has a problem":  func() (Report, error) { return Report{}, errors.New("TimeoutError") },
	} {
		peer := &goPeer{}
		peer.late = end
		c := session(t, peer, 5*time.Second)
		p := &Proof{Floor: TLS12, Findings: []Finding{c.hear(t.Context(), k)}}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again Proof
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if f := again.Findings[0]; f.Status != Fail || again.Status != Fail || !strings.Contains(f.Reason, "completed at TLS 1.1") {
			t.Errorf("%s: %s: %s", name, f.Status, f.Reason)
		}
	}
}
