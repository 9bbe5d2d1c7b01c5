package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// The ends of a connection, in words.
const (
	fromClient = "client"
	fromServer = "server"
)

// maxListed bounds how many names of one list of a hello are kept.
const maxListed = 64

// Visit is one connection, as it is reported.
type Visit struct {
	Time     time.Time `json:"time"`
	Scenario string    `json:"scenario"`
	Offered  *Offered  `json:"offered,omitempty"` // nil where no hello came whole
	Version  string    `json:"version,omitempty"` // of a completed handshake
	Cipher   string    `json:"cipher,omitempty"`  // OpenSSL's name
	Request  string    `json:"request,omitempty"` // what came over it: method and path
	Alert    *Alert    `json:"alert,omitempty"`   // what ended a handshake
	End      string    `json:"end"`               // the same in words
	Verdict  Verdict   `json:"verdict"`
	Note     string    `json:"note,omitempty"` // why the verdict is this one
}

// Offered is what a client's hello says. All strings may hold whatever the client wrote.
type Offered struct {
	Versions []string `json:"versions"`
	Suites   int      `json:"suites"` // without signalling values and GREASE
	Groups   []string `json:"groups"`
	Schemes  []string `json:"schemes"`
	ALPN     []string `json:"alpn"`
	SNI      string   `json:"sni"`
	Size     int      `json:"size"` // in bytes, with the headers of its records

	Resumes    bool `json:"resumes,omitempty"`    // it goes on with a session
	Compresses bool `json:"compresses,omitempty"` // it offers compression
}

// Alert is one alert with its sender.
type Alert struct {
	Number wire.Description `json:"number"`
	Name   string           `json:"name"`
	From   string           `json:"from"`
}

// refusesCertificate reports whether a is a client's word on a certificate (RFC 8446 section 6.2).
func (a *Alert) refusesCertificate() bool {
	return a != nil && a.From == fromClient && (a.Number >= wire.BadCertificate && a.Number <= wire.CertificateUnknown || a.Number == wire.UnknownCA)
}

func alertOf(d wire.Description, from string) *Alert {
	_, name, _ := strings.Cut(d.String(), " ")
	return &Alert{d, name, from}
}

// offered reads a sight's hello, in either format.
func offered(s verify.Sight) *Offered {
	if s.SSL2 != nil {
		return &Offered{Versions: []string{s.SSL2.Version.String() + " in the format of SSLv2"}, Suites: len(s.SSL2.Suites()),
			Groups: []string{}, Schemes: []string{}, ALPN: []string{}, Size: s.Size}
	}
	h := s.Hello
	if h == nil {
		return nil
	}
	o := &Offered{Versions: names(h.Offered()), Groups: names(h.Groups()), Schemes: names(h.Schemes()), ALPN: append([]string{}, h.Protocols()...), SNI: h.Host(),
		Size: s.Size, Resumes: h.Resumes(), Compresses: h.Compresses()}
	o.ALPN = o.ALPN[:min(len(o.ALPN), maxListed)]
	for _, suite := range h.Suites {
		if !suite.GREASE() && !suite.Signals() {
			o.Suites++
		}
	}
	return o
}

// names are the names of what is no GREASE.
func names[T interface {
	comparable
	fmt.Stringer
	GREASE() bool
}](list []T) []string {
	all := []string{} // for JSON, where nothing is a list too
	for _, v := range list {
		if !v.GREASE() && len(all) < maxListed {
			all = append(all, v.String())
		}
	}
	return all
}

// ended tells which alert ended a handshake: the one in plaintext, or the one that crypto/tls read or sent
// encrypted.
func ended(s verify.Sight, err error) *Alert {
	if s.Alert != nil {
		from := fromServer
		if s.Alert.From == verify.FromSubject {
			from = fromClient
		}
		return alertOf(s.Alert.Description, from)
	}
	if err == nil {
		return nil
	}
	// The type of an alert is crypto/tls's own, and not exported; its kind is the number.
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
			return alertOf(wire.Description(v.Uint()), fromClient)
		}
	}
	return refusal(err)
}

// refusal is the alert by which crypto/tls refuses a client's certificate. At TLS 1.3 it is encrypted, and
// the error does not name it.
func refusal(err error) *Alert {
	bad, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		if strings.Contains(err.Error(), "client didn't provide a certificate") {
			return alertOf(wire.CertificateRequired, fromServer)
		}
		return nil
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](bad.Err); ok {
		return alertOf(wire.UnknownCA, fromServer)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](bad.Err); ok && invalid.Reason == x509.Expired {
		return alertOf(wire.CertificateExpired, fromServer)
	}
	return alertOf(wire.BadCertificate, fromServer)
}

// end says how a connection ended.
func (v Visit) end(e evidence, late bool) string {
	switch {
	case e.completed && v.Request != "":
		return fmt.Sprintf("completed at %s, %s, %s", v.Version, v.Cipher, quote(v.Request))
	case e.completed:
		return fmt.Sprintf("completed at %s, %s", v.Version, v.Cipher)
	case e.waited:
		return "waited for more"
	case v.Alert != nil:
		return fmt.Sprintf("alert %s from the %s", v.Alert.Number, v.Alert.From)
	case late:
		return "time-out"
	}
	return "hung up"
}
