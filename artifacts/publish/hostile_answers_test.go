package publish

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
)

func answerWays() []registryWay {
	blob := func(name string, h func(f *fake, w http.ResponseWriter, r *http.Request)) func(f *fake) {
		return func(f *fake) {
			if name == archived {
				name = f.s.archive
			}
			f.onBlob[name] = func(w http.ResponseWriter, r *http.Request) { h(f, w, r) }
		}
	}
	to := func(where func(f *fake) string) func(f *fake, w http.ResponseWriter, r *http.Request) {
		return func(f *fake, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", where(f))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	fixed := func(where string) func(f *fake, w http.ResponseWriter, r *http.Request) {
		return to(func(*fake) string { return where })
	}
	code := func(n int) func(f *fake, w http.ResponseWriter, r *http.Request) {
		return func(_ *fake, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) }
	}
	raw := func(text string) func(f *fake, w http.ResponseWriter, r *http.Request) {
		return func(_ *fake, w http.ResponseWriter, _ *http.Request) { cut(w, text) }
	}
	all := func(h http.HandlerFunc) func(f *fake) {
		return func(f *fake) {
			f.any = func(w http.ResponseWriter, r *http.Request) bool { h(w, r); return true }
		}
	}
	realm := func(where string) func(f *fake) {
		return all(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate",
				`Bearer realm="`+where+`",service="x",scope="repository:tools/python:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
	}
	return []registryWay{
		{name: "a file is missing", change: blob(index, code(404)),
			want: "does not have what its manifest names"},
		{name: "a file is another", change: blob(index,
			func(f *fake, w http.ResponseWriter, _ *http.Request) {
				w.Write(flipped(f.s.honest[index]))
			}), want: "mismatch"},
		{name: "one byte less", change: blob(index, func(f *fake, w http.ResponseWriter, _ *http.Request) {
			w.Write(f.s.honest[index][1:])
		}), want: "EOF"},
		{name: "one byte less in chunks", change: blob(index,
			func(f *fake, w http.ResponseWriter, _ *http.Request) {
				flush(w)
				w.Write(f.s.honest[index][1:])
			}), want: "EOF"},
		{name: "one byte more in chunks", change: blob(index,
			func(f *fake, w http.ResponseWriter, _ *http.Request) {
				flush(w)
				w.Write(append(f.s.honest[index][:len(f.s.honest[index]):len(f.s.honest[index])], 0))
			}), want: "trailing"},
		{name: "without end", change: blob(archived,
			func(_ *fake, w http.ResponseWriter, _ *http.Request) { endless(w) }), want: "trailing data"},
		{name: "a bomb as an encoding", change: blob(index,
			func(_ *fake, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				defer z.Close()
				endless(z)
			}), want: "trailing data"},
		{name: "a part that nobody asked for", change: blob(index, code(206)), want: "206"},
		{name: "a page", change: blob(index,
			func(_ *fake, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }),
			want: "Content-Length"},
		{name: "nothing", change: blob(index, code(204)), want: "204"},
		{name: "closed before the header", change: blob(index, raw("")), want: "EOF"},
		{name: "closed in the header", change: blob(index, raw("HTTP/1.1 200 OK\r\nContent-")),
			want: "malformed MIME header"},
		{name: "closed in the body", change: blob(index,
			raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")), want: "EOF"},
		{name: "closed at the tag", change: all(func(w http.ResponseWriter,
			_ *http.Request) {
			cut(w, "")
		}), want: "EOF"},
		{name: "no HTTP", change: all(func(w http.ResponseWriter,
			_ *http.Request) {
			cut(w, "220 mail\r\n")
		}), want: "malformed HTTP"},
		{name: "a header of 1 MiB", change: all(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Pad", strings.Repeat("x", 1<<20))
		}), want: "exceeded"},
		{name: "hints without end", change: all(func(w http.ResponseWriter, _ *http.Request) {
			for range 10_000 {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}), want: "headers exceeded 65536 bytes"},
		{name: "nothing comes", change: all(func(_ http.ResponseWriter,
			r *http.Request) {
			<-r.Context().Done()
		}), want: "no byte came", limits: quick},
		{name: "nothing comes of a file", change: blob(index,
			func(_ *fake, w http.ResponseWriter, r *http.Request) {
				flush(w)
				<-r.Context().Done()
			}), want: "no byte came", limits: quick},
		{name: "a byte each millisecond", change: blob(archived,
			func(_ *fake, w http.ResponseWriter, r *http.Request) { dripped(w, r) }),
			want: "come too slowly", limits: rated},
		{name: "redirect to a file", change: blob(index, fixed("file:///etc/passwd")),
			want: "redirects from http to file"},
		{name: "redirect to http elsewhere", change: blob(index, fixed("http://far.example/x")),
			want: "redirects from http to http://far.example"},
		{name: "redirect to the cloud's credentials",
			change: blob(index, fixed("https://169.254.169.254/latest")),
			want:   "an address that no other host"},
		{name: "redirect to a user's name", change: blob(index,
			fixed("https://somebody:else@far.example/x")), want: "with a user's name"},
		{name: "redirect to itself", change: blob(index, fixed("?again")), want: "more than 5 redirects"},
		{name: "redirect back to http", change: blob(index, to(func(f *fake) string {
			return strings.Replace(f.url, "https", "http", 1)
		})), want: "redirects from https to http", secure: true},
		{name: "the stream is reset", change: blob(index,
			func(*fake, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			want: "stream", secure: true},
		{name: "the stream is reset in the body",
			change: blob(archived, func(_ *fake, w http.ResponseWriter, _ *http.Request) {
				flush(w)
				panic(http.ErrAbortHandler)
			}), want: "stream", secure: true},
		{name: "the tag's stream is reset", change: all(func(http.ResponseWriter,
			*http.Request) {
			panic(http.ErrAbortHandler)
		}), want: "stream", secure: true},
		{name: "an error for ever", change: all(func(w http.ResponseWriter,
			_ *http.Request) {
			w.WriteHeader(503)
		}), want: "503"},
		{name: "too often, come in 30 years", change: all(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1000000000")
			w.WriteHeader(429)
		}), want: "429"},
		{name: "a password for ever", change: all(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
		}), want: "401", login: true},
		{name: "a password, and there is none", change: all(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
		}), want: "basic credential not found"},
		{name: "a token for ever", change: func(f *fake) {
			f.any = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					json.NewEncoder(w).Encode(map[string]string{"token": "x"})
					return true
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+f.url+`/token",service="x"`)
				w.WriteHeader(401)
				return true
			}
		}, want: "401"},
		{name: "a token without end", change: func(f *fake) {
			f.any = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					endless(w)
					return true
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+f.url+`/token",service="x"`)
				w.WriteHeader(401)
				return true
			}
		}, want: "invalid character"},
		{name: "a realm on another host", change: realm("https://far.example/token"),
			want: "wants its password sent to far.example", login: true},
		{name: "a realm by http", change: realm("http://far.example/token"), want: "which is not https"},
		{name: "a realm at the cloud's credentials", change: realm("https://169.254.169.254/token"),
			want: "169.254.169.254"},
		{name: "a realm of a file", change: realm("file:///etc/passwd"), want: "scheme"},
	}
}

// logged makes a login file that has a password for the hosts.
func logged(t *testing.T, hosts ...string) {
	t.Helper()
	auths := map[string]any{}
	for _, host := range hosts {
		auths[host] = map[string]string{"auth": "dXMzcjpzM2NyZXQ="} // us3r:s3cret
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

func hostIn(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func TestHostileRegistry(t *testing.T) {
	s := newScene(t)
	trust := bundle.Trust{Keys: []sign.Key{s.key}}
	taken := func(t *testing.T, address string) error {
		return take(t, func(ctx context.Context) (bundle.Source,
			error) {
			return FromOCI(ctx, address, nil)
		}, trust)
	}
	for _, secure := range []bool{false, true} {
		f := newFake(s)
		// others have attached 64 signatures to it, and as many as one likes
		junk := f.start(t, func(f *fake) {
			f.any = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/referrers/") {
					t.Error("others' attachments are asked for")
					endless(w)
				}
				return false
			}
		}, secure)
		if err := taken(t, junk); err != nil {
			t.Fatalf("the honest registry: %v", err)
		}
	}
	ways := append(manifestWays(), answerWays()...)
	if len(ways) < 80 {
		t.Errorf("only %d ways", len(ways))
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			hurried(t, way.limits)
			f := newFake(s)
			address := f.start(t, way.change, way.secure)
			if logged(t); way.login {
				logged(t, hostIn(address))
			}
			err := taken(t, address)
			refused(t, err, f.sent.Load(), way.want)
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in %v", err)
			}
			if f.asked.Load() == 0 || f.asked.Load() > 60 {
				t.Errorf("it was asked %d times", f.asked.Load())
			}
		})
	}
}

// TestWhereAPasswordGoes sends a redirect and a realm to another server, and looks at what that is told.
func TestWhereAPasswordGoes(t *testing.T) {
	s := newScene(t)
	trust := bundle.Trust{Keys: []sign.Key{s.key}}
	var told atomic.Value
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Store(r.Header.Get("Authorization"))
		if r.URL.Path == "/token" {
			fmt.Fprint(w, `{"token":"t0ken"}`)
			return
		}
		w.Write(s.honest[index])
	}))
	defer other.Close()
	away := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) // another host, at the same address
	for name, one := range map[string]struct {
		realm, redirect string
		hosts           []string
		want, told      string
	}{
		"redirected, logged in": {"", other.URL + "/x", nil, "", ""},
		"a token's way":         {"own", other.URL + "/x", nil, "", ""},
		"a realm elsewhere":     {away + "/token", "", nil, "blocked prefix", "nobody"},
		"a realm that has a login, too": {away + "/token", "",
			[]string{strings.TrimPrefix(away, "https://")}, "blocked prefix", "nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			hurried(t, limits)
			told.Store("nobody")
			f := newFake(s)
			address := f.start(t, func(f *fake) {
				where := one.realm
				if where == "own" {
					where = f.url + "/token"
				}
				f.any = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/token" {
						fmt.Fprint(w, `{"token":"t0ken"}`)
						return true
					}
					if r.Header.Get("Authorization") == "" {
						w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
						if where != "" {
							w.Header().Set("WWW-Authenticate", `Bearer realm="`+where+`",service="x"`)
						}
						w.WriteHeader(401)
						return true
					}
					return false
				}
				if one.redirect != "" {
					f.onBlob[index] = func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Location", one.redirect)
						w.WriteHeader(307)
					}
				}
			}, false)
			roots = other.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			defer func() { roots = nil }()
			logged(t, append(one.hosts, hostIn(address))...)
			err := take(t, func(ctx context.Context) (bundle.Source,
				error) {
				return FromOCI(ctx, address, nil)
			}, trust)
			if one.want == "" && err != nil || one.want != "" &&
				(err == nil || !strings.Contains(err.Error(), one.want)) {
				t.Errorf("got %v, want %q", err, one.want)
			}
			if got := told.Load(); got != one.told {
				t.Errorf("the other server was told %q, want %q", got, one.told)
			}
		})
	}
}
