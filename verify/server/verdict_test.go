package server

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// scenarioOf returns a scenario by its name.
func scenarioOf(t *testing.T, name string) Scenario {
	t.Helper()
	picked, err := Pick(Scenarios(0), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return picked[0]
}

// planted is the evidence of a good client with one thing planted, and what is to be found in it.
type planted struct {
	scenario string
	e        evidence
	want     Verdict
	note     string
}

// The hellos that rows plant: a good one, one that does not list its versions and may mean anything below TLS
// 1.2, and others.
func goodHello() *wire.ClientHello {
	return &wire.ClientHello{Version: wire.TLS12, Suites: []wire.Suite{wire.ECDHERSAAES128GCM},
		Extensions: []wire.Extension{wire.Offer(wire.TLS13, wire.TLS12), {Type: wire.StatusRequest}}}
}

func silentHello() *wire.ClientHello {
	return &wire.ClientHello{Version: wire.TLS12, Suites: []wire.Suite{wire.ECDHERSAAES128GCM}}
}

func helloOf(versions ...wire.Version) *wire.ClientHello {
	h := silentHello()
	h.Extensions = []wire.Extension{wire.Offer(versions...)}
	return h
}

func saw(h *wire.ClientHello, answer *wire.ServerHello, goesOn bool) verify.Sight {
	return verify.Sight{Hello: h, Answer: answer, GoesOn: goesOn}
}

func client(d wire.Description) *Alert { return alertOf(d, fromClient) }
func server(d wire.Description) *Alert { return alertOf(d, fromServer) }

func holds(t *testing.T, rows []planted) {
	t.Helper()
	for _, r := range rows {
		got, note := scenarioOf(t, r.scenario).judge(r.e)
		if got != r.want || !strings.Contains(note, r.note) {
			t.Errorf("%s: %+v: %s (%s), want %s (%s)", r.scenario, r.e, got, note, r.want, r.note)
		}
	}
}

func TestJudgeVersions(t *testing.T) {
	good, silent := goodHello(), silentHello()
	null := goodHello()
	null.Suites = []wire.Suite{wire.RSANULLSHA256}
	old, now := &wire.ServerHello{Version: wire.TLS11}, &wire.ServerHello{Version: wire.TLS12}
	holds(t, []planted{
		{"tls11", evidence{Sight: saw(good, nil, false), alert: server(wire.ProtocolVersion)}, AsItMust, ""},
		{"tls11", evidence{Sight: saw(silent, old, false), alert: client(wire.ProtocolVersion)}, AsItMust, ""},
		{"tls11", evidence{}, Unclear, "no whole ClientHello"},
		{"tls11", evidence{Sight: verify.Sight{SSL2: &wire.SSL2Hello{}}}, Below, "SSLv2"},
		{"tls11", evidence{Sight: saw(silent, old, true), completed: true, version: wire.TLS11}, Below, "completed at TLS 1.1"},
		{"tls11", evidence{Sight: saw(silent, old, true), alert: client(wire.InternalError)}, Below, "goes on at TLS 1.1"},
		{"tls11", evidence{Sight: saw(silent, old, false), alert: client(wire.UnknownCA)}, Below, "refuses the certificate only"},
		{"tls11", evidence{Sight: saw(silent, old, false), alert: client(wire.InternalError)}, Unclear, "for another reason"},
		{"tls11", evidence{Sight: saw(silent, old, false)}, Unclear, "without an alert"},
		{"tls11", evidence{Sight: saw(good, nil, false), alert: server(wire.HandshakeFailure)}, Unclear, "for another reason"},
		{"tls11", evidence{Sight: saw(helloOf(wire.TLS12, wire.TLS10), nil, false), alert: server(wire.ProtocolVersion)}, Below, "offers TLS 1.0"},
		{"tls12", evidence{Sight: saw(good, nil, false), completed: true, version: wire.TLS12}, AsItMust, ""},
		{"tls12", evidence{Sight: saw(helloOf(wire.TLS12, wire.TLS11), nil, false), completed: true, version: wire.TLS12}, Below, "offers TLS 1.1"},
		{"tls12", evidence{Sight: saw(good, nil, false), alert: client(wire.UnknownCA)}, Unclear, "given ca.pem"},
		{"tls12", evidence{Sight: saw(good, nil, false), alert: client(wire.IllegalParameter)}, Unclear, "must connect"},
		{"hello-0302", evidence{Sight: saw(silent, old, false), alert: client(wire.ProtocolVersion)}, AsItMust, ""},
		{"hello-0302", evidence{Sight: saw(silent, old, false), waited: true}, Below, "goes on at TLS 1.1"},
		{"hello-0302", evidence{Sight: saw(good, old, false), alert: server(wire.ProtocolVersion)}, Unclear, "by itself"},
		{"hello-0303", evidence{Sight: saw(good, now, false), waited: true}, AsItMust, ""},
		{"hello-0303", evidence{Sight: saw(good, now, false)}, Unclear, "hung up"},
		{"null", evidence{Sight: saw(good, now, false), alert: client(wire.IllegalParameter)}, AsItMust, ""},
		{"null", evidence{Sight: saw(good, now, false), waited: true}, Below, "takes the ServerHello"},
		{"null", evidence{Sight: saw(null, nil, false), alert: client(wire.IllegalParameter)}, Below, "offers TLS_RSA_WITH_NULL_SHA256"},
		{"sentinel12", evidence{Sight: saw(good, now, false), waited: true}, Below, "takes the ServerHello"},
		{"sentinel12", evidence{Sight: saw(helloOf(wire.TLS12), now, false), waited: true}, Unclear, "does not offer TLS 1.3"},
	})
}

func TestJudgeCertificates(t *testing.T) {
	good := goodHello()
	holds(t, []planted{
		{"cert-expired", evidence{Sight: saw(good, nil, false), alert: client(wire.CertificateExpired)}, AsItMust, ""},
		{"cert-expired", evidence{Sight: saw(good, nil, false), alert: client(wire.UnknownCA)}, Unclear, "refuses the CA"},
		{"cert-expired", evidence{Sight: saw(good, nil, false), completed: true, version: wire.TLS13, said: true}, Careless, "sent something"},
		{"cert-revoked", evidence{Sight: saw(good, nil, false), completed: true, version: wire.TLS13, said: true}, Careless, "crl.pem"},
		{"cert-other-name", evidence{Sight: saw(good, nil, false), completed: true, version: wire.TLS13}, Unclear, "sent nothing"},
		{"ocsp-revoked", evidence{Sight: saw(good, nil, false), completed: true, version: wire.TLS13, said: true}, Careless, ""},
		{"ocsp-revoked", evidence{Sight: saw(helloOf(wire.TLS13), nil, false), completed: true, version: wire.TLS13, said: true}, Unclear, "did not ask for a staple"},
		{"client-cert", evidence{Sight: saw(good, nil, false), alert: server(wire.CertificateRequired)}, AsItMust, "no certificate"},
		{"client-cert", evidence{Sight: saw(good, nil, false), alert: server(wire.UnknownCA)}, Unclear, ""},
	})
}

// A client that takes longer than our patience to refuse has refused all the same; one that only complains of
// the end has waited.
func TestSlowRefusal(t *testing.T) {
	r := begin(t, Options{Patience: 50 * time.Millisecond})
	for _, test := range []struct {
		d     wire.Description
		early bool
		want  Verdict
	}{
		{wire.ProtocolVersion, false, AsItMust},
		{wire.DecodeError, false, Below},
		{wire.DecodeError, true, Unclear}, // it did not wait: what it complains of is no end
	} {
		conn, err := net.Dial("tcp", r.address(t, "hello-0302"))
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(hardenedHello(t))
		if test.early {
			conn.Read(make([]byte, 1<<10))
		} else {
			io.Copy(io.Discard, conn) // until the half-close
		}
		conn.Write(wire.Alert{Level: wire.Fatal, Description: test.d}.Record(wire.TLS12).Bytes())
		io.Copy(io.Discard, conn)
		time.Sleep(100 * time.Millisecond)
		conn.Close()
		if v := r.next(t); v.Verdict != test.want {
			t.Errorf("alert %s, early %v: %s", test.d, test.early, v.Line())
		}
	}
}

// What programs read of a visit.
func TestVisitJSON(t *testing.T) {
	v := Visit{Time: time.Unix(0, 0).UTC(), Scenario: "tls11", Offered: &Offered{Versions: []string{"TLS 1.3"}, Suites: 3, SNI: "localhost", Size: 300},
		Alert: alertOf(wire.ProtocolVersion, fromServer), Verdict: AsItMust}
	v.End = v.end(evidence{}, false)
	text, err := json.Marshal(v)
	want := `{"time":"1970-01-01T00:00:00Z","scenario":"tls11","offered":{"versions":["TLS 1.3"],"suites":3,"groups":null,"schemes":null,"alpn":null,"sni":"localhost","size":300},` +
		`"alert":{"number":70,"name":"protocol_version","from":"server"},"end":"alert 70 protocol_version from the server","verdict":"meets"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v\nwant %s", text, err, want)
	}
	for verdict, word := range map[Verdict]string{Unclear: "unclear", Careless: "careless", Below: "below"} {
		if text, _ := verdict.MarshalText(); string(text) != word {
			t.Errorf("%s, not %s", text, word)
		}
	}
}
