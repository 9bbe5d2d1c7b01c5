package server

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// table is what a program reads first (-json).
type table struct {
	CA        string    `json:"ca"`
	CRL       string    `json:"crl"`
	Client    string    `json:"client"`
	Key       string    `json:"key"`
	Expires   time.Time `json:"expires"`
	Scenarios []Place   `json:"scenarios"`
}

// WriteTable writes where each scenario is and what a hardened client does there, and how to bring a client
// to the first.
func (s *Server) WriteTable(w io.Writer) error {
	var b strings.Builder
	name, must := len("scenario"), 0
	for _, p := range s.places {
		name, must = max(name, len(p.Name)), max(must, len(p.Must))
	}
	fmt.Fprintf(&b, "%-*s  %-5s  %-24s  %s\n", name, "scenario", "port", "URL", "a hardened client")
	for _, p := range s.places {
		fmt.Fprintf(&b, "%-*s  %-5d  %-24s  %s\n", name, p.Name, p.Port, p.URL, p.Must)
	}
	first, f := s.places[0], s.Files()
	fmt.Fprintf(&b, "\nCA file  %s, valid until %s\n", f.CA, s.Expires().Format("2006-01-02 15:04"))
	fmt.Fprintf(&b, "curl     curl --cacert %s %s\n", f.CA, first.URL)
	fmt.Fprintf(&b, "openssl  openssl s_client -connect localhost:%d -CAfile %s -verify_return_error </dev/null\n", first.Port, f.CA)
	fmt.Fprintf(&b, "python   python3 -c \"import ssl, urllib.request as u; print(u.urlopen('%s', context=ssl.create_default_context(cafile='%s')).read().decode())\"\n\n", first.URL, f.CA)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteTableJSON writes the same as one line of JSON.
func (s *Server) WriteTableJSON(w io.Writer) error {
	f := s.Files()
	return json.NewEncoder(w).Encode(table{f.CA, f.CRL, f.Client, f.Key, s.Expires().UTC(), s.places})
}

// Line is the visit in one line, with nothing in it that a terminal would act on.
func (v Visit) Line() string {
	verdict := v.Verdict.String()
	if v.Note != "" {
		verdict += " (" + v.Note + ")"
	}
	return fmt.Sprintf("%s  %s: %s; %s: %s", v.Time.Format(time.TimeOnly), v.Scenario, v.Offered.line(), v.End, verdict)
}

func (o *Offered) line() string {
	if o == nil {
		return "no ClientHello"
	}
	sni := "-"
	if o.SNI != "" {
		sni = quote(o.SNI)
	}
	return fmt.Sprintf("offers %s; %d suites; groups %s; schemes %s; ALPN %s; SNI %s; %d bytes",
		listed(o.Versions), o.Suites, listed(o.Groups), listed(o.Schemes), listed(o.ALPN), sni, o.Size)
}

// maxNames bounds how many names of a list are in a line: what a client prefers stands first, and JSON has
// all.
const maxNames = 4

// listed joins what a client may have written itself.
func listed(all []string) string {
	if len(all) == 0 {
		return "-"
	}
	var safe []string
	for _, one := range all[:min(len(all), maxNames)] {
		safe = append(safe, quote(one))
	}
	text := strings.Join(safe, ", ")
	if more := len(all) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// maxShown bounds in bytes what is shown of a name that a client made up.
const maxShown = 80

func short(text string) string { return text[:min(len(text), maxShown)] }

// quote leaves alone what is printable ASCII, and escapes the rest: a client must not be able to write to our
// terminal.
func quote(text string) string {
	text = short(text)
	if quoted := strconv.QuoteToASCII(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}
