package server

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// openSSLVersions are the names of SSL_get_version(3ssl).
var openSSLVersions = map[wire.Version]string{wire.TLS10: "TLSv1", wire.TLS11: "TLSv1.1", wire.TLS12: "TLSv1.2", wire.TLS13: "TLSv1.3"}

// answer answers every request. What the client sends is not read further than net/http does by itself, but
// for the short form of an AWS SDK.
func answer(w http.ResponseWriter, r *http.Request, sc Scenario, c *tls.Conn) {
	state, transcript := c.ConnectionState(), verify.SoFar(c)
	kind, body := "text/html; charset=utf-8", ""
	if r.URL.Path == "/a/check" {
		text, err := json.MarshalIndent(check(transcript, state), "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		kind, body = "application/json", string(text)+"\n"
	} else if xml, text := verify.CloudAnswer(r); xml != "" {
		kind, body = xml, text
	} else {
		body = page(sc, transcript.Sight(), state)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte(body)) // net/http leaves it out of an answer to HEAD
}

// page is in the manner of `openssl s_server -www`, whose block "SSL-Session:" programs and people search
// for. Session ids, keys and tickets are left out.
func page(sc Scenario, s verify.Sight, state tls.ConnectionState) string {
	version, cipher := openSSLVersions[wire.Version(state.Version)], wire.Suite(state.CipherSuite).OpenSSL()
	var b strings.Builder
	fmt.Fprintf(&b, "tlsfloor serve, scenario %s: a hardened client %s\n", sc.Name, sc.Must)
	if wire.Version(state.Version) < wire.TLS13 { // which has none (RFC 8446 section 4.1.2)
		b.WriteString("Secure Renegotiation IS supported\n")
	}
	if o := offered(s); o != nil {
		fmt.Fprintf(&b, "Ciphers of the client: %s\n", strings.Join(suitesOf(s.Hello), ":"))
		fmt.Fprintf(&b, "Signature Algorithms: %s\n", strings.Join(o.Schemes, ":"))
		fmt.Fprintf(&b, "Supported groups: %s\n", strings.Join(o.Groups, ":"))
		fmt.Fprintf(&b, "Versions of the client: %s\n", strings.Join(o.Versions, ", "))
	}
	fmt.Fprintf(&b, "---\nNew, %s, Cipher is %s\nSSL-Session:\n", version, cipher)
	fmt.Fprintf(&b, "    Protocol  : %s\n    Cipher    : %s\n", version, cipher)
	b.WriteString("    Verify return code: 0 (ok)\n---\n")
	if len(state.PeerCertificates) > 0 {
		fmt.Fprintf(&b, "Client certificate\nSubject: %s\n", oneLine(state.PeerCertificates[0].Subject.String()))
	} else {
		b.WriteString("no client certificate available\n")
	}
	return "<HTML><BODY BGCOLOR=\"#ffffff\">\n<pre>\n\n" + html.EscapeString(b.String()) + "</pre></BODY></HTML>\n\n"
}

// suitesOf are OpenSSL's names of what a client offers.
func suitesOf(h *wire.ClientHello) (all []string) {
	if h == nil {
		return nil
	}
	for _, s := range h.Suites {
		if !s.GREASE() && !s.Signals() && len(all) < maxListed {
			all = append(all, s.OpenSSL())
		}
	}
	return all
}

// oneLine keeps what others wrote from beginning a line of its own.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
