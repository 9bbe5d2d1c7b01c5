package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func served(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// get asks through a pool of such limits, and reads the whole answer.
func get(t *testing.T, l Limits, home, url string) (string, error) {
	t.Helper()
	p := New(l)
	defer p.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := p.Whole(t.Context(), 0)
	defer cancel()
	resp, err := p.For(home).RoundTrip(req.WithContext(ctx))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// drip writes a byte each time until its reader has gone.
func drip(every time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte{'x'}); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(every)
		}
	}
}

func TestSlowServers(t *testing.T) {
	long := Limits{Wait: time.Minute, Window: time.Minute}
	for name, one := range map[string]struct {
		limits Limits
		answer http.HandlerFunc
		want   error
	}{
		"no header": {Limits{Wait: 30 * time.Millisecond},
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ErrStalled},
		"no byte": {Limits{Wait: 30 * time.Millisecond}, drip(time.Hour), ErrStalled},
		"a byte in time": {Limits{Wait: time.Minute, Window: 50 * time.Millisecond},
			drip(time.Millisecond), ErrSlow},
		"never whole": {Limits{Wait: time.Minute, Window: 5 * time.Millisecond, Rate: 1},
			drip(time.Millisecond), ErrSlow},
		"a header of 100 KiB": {long, func(w http.ResponseWriter,
			_ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := served(t, func(w http.ResponseWriter, r *http.Request) {
				if name == "no byte" {
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					return
				}
				one.answer(w, r)
			})
			text, err := get(t, one.limits, strings.TrimPrefix(s.URL, "http://"), s.URL)
			if err == nil || one.want != nil && !errors.Is(err, one.want) {
				t.Errorf("%d bytes, %v, want %v", len(text), err, one.want)
			}
		})
	}
	fast := served(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all of it") })
	if text, err := get(t, Limits{}, strings.TrimPrefix(fast.URL, "http://"), fast.URL); err != nil ||
		text != "all of it" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUploads are slow to be taken, or to be answered.
func TestUploads(t *testing.T) {
	over := make(chan struct{}) // whoever has not read the body is not told that nobody waits
	for name, answer := range map[string]http.HandlerFunc{
		"never answered": func(_ http.ResponseWriter,
			r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-over
		},
		"never taken": func(http.ResponseWriter, *http.Request) { <-over },
	} {
		s := served(t, answer)
		p := New(Limits{Wait: 10 * time.Millisecond})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL,
			strings.NewReader(strings.Repeat("x", 16<<20)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.For(strings.TrimPrefix(s.URL, "http://")).RoundTrip(req); !errors.Is(err, ErrStalled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(over)
}

// TestAddresses sends to a server of this machine from hosts of several kinds, by number and by name.
func TestAddresses(t *testing.T) {
	var asked atomic.Int32
	s := served(t, func(w http.ResponseWriter, _ *http.Request) { asked.Add(1) })
	named := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, one := range []struct {
		home, url string
		reached   bool
	}{
		{"192.0.2.1", s.URL, false},
		{"192.0.2.1:443", named, false},
		{"far.example", s.URL, false},
		{"far.example", named, false},
		{"10.0.0.1", named, false},
		{"127.0.0.1:1", s.URL, true},
		{"[::1]:1", named, true},
		{strings.TrimPrefix(named, "http://"), named, true},
		{"127.0.0.1", "http://169.254.169.254/latest", false},
		{"127.0.0.1", "http://[fe80::1]/", false},
		{"127.0.0.1", "http://[::ffff:169.254.169.254]/", false},
		{"127.0.0.1", "http://0.0.0.0/", false},
	} {
		before := asked.Load()
		_, err := get(t, Limits{}, one.home, one.url)
		if one.reached && err != nil || !one.reached && !errors.Is(err, ErrAddress) ||
			(asked.Load() > before) != one.reached {
			t.Errorf("%s to %s: %v, asked %d times", one.home, one.url, err, asked.Load()-before)
		}
	}
}

func TestScopes(t *testing.T) {
	for text, want := range map[string]scope{
		"192.0.2.1": public, "2001:db8::1": public, "10.1.2.3": private, "172.16.0.1": private,
		"192.168.0.1": private, "fd00::1": private, "100.100.100.201": private,
		"127.9.9.9": loopback, "::1": loopback, "169.254.169.254": special, "fe80::1%eth0": special,
		"0.0.0.0": special, "0.1.2.3": special, "::": special, "224.0.0.1": special,
		"::ffff:10.0.0.1": private, "64:ff9b::a9fe:a9fe": special, "2002:7f00:1::": loopback,
		"64:ff9b:1::7f00:1": loopback, "64:ff9b:1::a00:1": private, "64:ff9b:1:7f00:0:100::": special,
		"::127.0.0.1": loopback,
		"::10.0.0.1":  private, "::ffff:0:127.0.0.1": loopback,
		"::ffff:0:10.0.0.1":                    private,
		"2001:0:4136:e378:8000:63bf:80ff:fffe": loopback, // 127.0.0.1, each bit turned round
		"2001:0:4136:e378:8000:63bf:5601:5601": special,  // 169.254.169.254
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": public,   // 192.0.2.45
		"fec0::1":                              private,
		"198.18.0.1":                           private, "198.19.255.255": private, "198.20.0.1": public,
		"240.0.0.1": special, "255.255.255.255": special, "192.0.0.1": special, "100::1": special,
		"168.63.129.16": special, "168.63.129.17": public,
		"fd00:ec2::254":   special,
		"100.100.100.200": special, "192.0.0.192": special, "2001:20::1": special,
		"2600::1": public, "2a00:1450::1": public, "8.8.8.8": public, "::ffff:8.8.8.8": public,
		"64:ff9b::808:808": public,
	} {
		if got := scopeOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	for _, one := range []struct {
		home, to scope
		may      bool
	}{{public, public, true}, {public, private, false}, {public, loopback, false},
		{private, private, true}, {private, loopback, false},
		{loopback, private, true}, {loopback, loopback, true}, {loopback, special, false},
		{private, public, true}} {
		h := &home{}
		h.scope.Store(int32(one.home))
		addr := map[scope]string{public: "192.0.2.1", private: "10.0.0.1", loopback: "127.0.0.1",
			special: "169.254.0.1"}[one.to]
		if got := h.mayReach(netip.MustParseAddr(addr)); got != one.may {
			t.Errorf("%d to %d: %v", one.home, one.to, got)
		}
	}
}

// TestCancelled is the caller's own error.
func TestCancelled(t *testing.T) {
	s := served(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Limits{}).For("127.0.0.1").RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
