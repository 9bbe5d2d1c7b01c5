package balancer

import (
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// How a handshake ended.
const (
	success = "Success"
	failed  = "Failed:" // and a code
)

// Entry is one handshake. The JSON keys are AWS's names of the fields of its connection log.
type Entry struct {
	Time        time.Time `json:"timestamp"`
	Client      string    `json:"client_ip"`
	ClientPort  int       `json:"client_port"`
	Listener    int       `json:"listener_port"`
	Protocol    string    `json:"tls_protocol,omitempty"`
	Cipher      string    `json:"tls_cipher,omitempty"`  // OpenSSL's name
	Latency     float64   `json:"tls_handshake_latency"` // seconds
	Subject     string    `json:"leaf_client_cert_subject,omitempty"`
	Validity    string    `json:"leaf_client_cert_validity,omitempty"`
	Serial      string    `json:"leaf_client_cert_serial_number,omitempty"`
	Status      string    `json:"tls_verify_status"`
	Trace       string    `json:"conn_trace_id"`
	KeyExchange string    `json:"tls_keyexchange,omitempty"`
	Balancer    string    `json:"elb"`
	Address     string    `json:"ip_address"`

	chain []*x509.Certificate
}

// Line is e in the format of AWS's connection log: fields with spaces between, the subject in quotes, and -
// for what there is none of.
func (e Entry) Line() string {
	subject := "-"
	if e.Subject != "" {
		subject = `"` + e.Subject + `"`
	}
	return fmt.Sprintf("%s %s %d %d %s %s %.3f %s %s %s %s %s %s %s %s", e.Time.Format("2006-01-02T15:04:05.000000Z"), cmp.Or(e.Client, "-"), e.ClientPort, e.Listener,
		cmp.Or(e.Protocol, "-"), cmp.Or(e.Cipher, "-"), e.Latency, subject, cmp.Or(e.Validity, "-"), cmp.Or(e.Serial, "-"), e.Status, e.Trace, cmp.Or(e.KeyExchange, "-"), e.Balancer, cmp.Or(e.Address, "-"))
}

func protocol(v wire.Version) string {
	return map[wire.Version]string{wire.TLS12: "TLSv1.2", wire.TLS13: "TLSv1.3"}[v]
}

// distinguished is a name as RFC 2253 writes it, in the order of the certificate. What would end a line or a
// quoted field, or act on a terminal, is written as RFC 2253 section 2.4 writes bytes.
func distinguished(raw []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return fmt.Sprintf("#%X", raw)
	}
	var b strings.Builder
	text := name.String()
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) { // a pair: a quote in it becomes its number, anything else stays
			i++
			if c = text[i]; c != '"' && c >= ' ' && c < 0x7f {
				b.WriteByte('\\')
				b.WriteByte(c)
				continue
			}
		}
		if c < ' ' || c == '"' || c >= 0x7f {
			fmt.Fprintf(&b, `\%02X`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// validity is the form of both the log and the header.
func validity(c *x509.Certificate) string {
	const format = "2006-01-02T15:04:05Z"
	return "NotBefore=" + c.NotBefore.UTC().Format(format) + ";NotAfter=" + c.NotAfter.UTC().Format(format)
}

// serial is hexadecimal, with whole bytes.
func serial(c *x509.Certificate) string {
	text := fmt.Sprintf("%X", c.SerialNumber)
	if len(text)%2 == 1 {
		text = "0" + text
	}
	return text
}

// Header is one that a balancer adds for its backend.
type Header struct{ Name, Value string }

// Headers are those that a backend gets with the requests of a connection: the whole chain where nothing was
// verified, and five facts of the leaf where it was. A client without a certificate brings none.
func (e Entry) Headers(m Mode) []Header {
	if len(e.chain) == 0 {
		return nil
	}
	if m == Passthrough {
		return []Header{{"X-Amzn-Mtls-Clientcert", encoded(e.chain...)}}
	}
	leaf := e.chain[0]
	return []Header{
		{"X-Amzn-Mtls-Clientcert-Serial-Number", serial(leaf)},
		{"X-Amzn-Mtls-Clientcert-Issuer", distinguished(leaf.RawIssuer)},
		{"X-Amzn-Mtls-Clientcert-Subject", distinguished(leaf.RawSubject)},
		{"X-Amzn-Mtls-Clientcert-Validity", validity(leaf)},
		{"X-Amzn-Mtls-Clientcert-Leaf", encoded(leaf)},
	}
}

// encoded is PEM, percent-encoded (RFC 3986 section 2.1), with + = and / left as they are.
func encoded(chain ...*x509.Certificate) string {
	var b strings.Builder
	for _, c := range chain {
		for _, x := range pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) {
			switch {
			case x >= 'A' && x <= 'Z', x >= 'a' && x <= 'z', x >= '0' && x <= '9', strings.IndexByte("-._~+=/", x) >= 0:
				b.WriteByte(x)
			default:
				fmt.Fprintf(&b, "%%%02X", x)
			}
		}
	}
	return b.String()
}

// page answers with what a backend would see.
func page(m Mode, e Entry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var b strings.Builder
		fmt.Fprintf(&b, "tlsfloor serve -mtls=%s: a backend behind the balancer gets these headers\n\n", m)
		headers := e.Headers(m)
		if len(headers) == 0 {
			b.WriteString("none: the client showed no certificate\n")
		}
		for _, h := range headers {
			fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
		}
		fmt.Fprintf(&b, "\nSSL-Session:\n    Protocol  : %s\n    Cipher    : %s\n\nconnection log\n%s\n", e.Protocol, e.Cipher, e.Line())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, "<!DOCTYPE html>\n<title>tlsfloor serve -mtls</title>\n<pre style=\"white-space: pre-wrap; overflow-wrap: anywhere\">\n%s</pre>\n", html.EscapeString(b.String()))
	})
}
