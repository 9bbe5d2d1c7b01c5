package subject

import (
	"context"
	"os"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// old is an openssl that serves whatever it is asked at most at TLS 1.1, with one suite; what is newer gets
// the ordinary one's answer.
type old struct {
	*openSSL
	newest wire.Version
	suite  string
}

func (o old) Serve(ctx context.Context, s verify.Setup) (verify.Service, error) {
	s.Min, s.Ciphers = wire.SSL30, o.suite+":@SECLEVEL=0"
	if o.newest != 0 {
		s.Max = o.newest
	}
	return o.openSSL.Serve(ctx, s)
}

// A real server of SSLv3 and later with one suite that hardly anybody offers is found in every way to ask
// for less than the floor.
func TestRealServerWithOneOldSuite(t *testing.T) {
	weak := os.Getenv("TLSFLOOR_TEST_WEAK_OPENSSL")
	if weak == "" {
		t.Skip("no weak openssl: TLSFLOOR_TEST_WEAK_OPENSSL is not set")
	}
	for _, test := range []struct {
		suite  string
		newest wire.Version
	}{{"CAMELLIA256-SHA", 0}, {"ADH-CAMELLIA128-SHA", 0}, {"NULL-MD5", wire.SSL30}, {"ADH-AES256-SHA", wire.TLS11}} {
		t.Run(test.suite, func(t *testing.T) {
			o := verify.Options{Kind: verify.KindServer, Toolchain: verify.Toolchain{WeakOpenSSL: weak}}
			o.Open = func(b verify.Bench) verify.Subjects {
				s := Open(b)
				s[verify.Endpoint] = old{&openSSL{bench: b, path: weak}, test.newest, test.suite}
				return s
			}
			want := []string{"server-ssl3", "server-ssl3-name"}
			if test.newest != wire.SSL30 {
				want = append(want, "server-tls11", "server-tls10", "server-tls11-scsv", "server-ssl2-tls11")
			}
			p := prove(t, o)
			for _, f := range p.Findings {
				for _, name := range want {
					if f.Case.Name == name && f.Status != verify.Fail {
						t.Errorf("%s: %s: %s", name, f.Status, f.Reason)
					}
				}
			}
		})
	}
}
