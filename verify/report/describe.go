package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
)

// acts say what is done, with the program and the version in their places.
var acts = map[verify.Act]string{
	verify.Serve:    "{who} connects to the judge's server, which speaks {version} only",
	verify.Decline:  "{who} connects to the judge, which says that it has no TLS",
	verify.Answer:   "{who} connects to the judge, which answers with a crafted ServerHello of {version}",
	verify.Greet:    "{who} serves, and the judge sends it a crafted ClientHello of at most {version}",
	verify.Listen:   "{who} sends the judge its first datagram of {version}",
	verify.Versions: "the tables of versions in the libssl.a of {who} are read for entries that have a method",
	verify.Imports:  "what {who} loads as ssl in a script is compared with what it loads for the judge",
	verify.Methods:  "the libssl.a of {who} is searched for the fixed-version methods",
	verify.Symbols:  "{who} and its extension modules are searched for the fixed-version methods",
	verify.Macros:   "the headers of {who} are searched for what says that the old versions are there",
	verify.Has:      "the ssl module of {who} is asked which old versions it has",
	verify.Needed:   "the shared libraries that {who} and its extension modules need are read",
	verify.Maps:     "the files that are mapped into the process of {who} are read",
}

// describeOffer says in one line what is tried.
func describeOffer(o verify.Offer) string {
	version := o.Version.String()
	if o.Least != 0 {
		version = o.Least.String() + " to " + version
	}
	done := strings.NewReplacer("{who}", string(o.Who), "{version}", version).Replace(acts[o.Act])
	if done == "" { // an act that this room has no words for
		done = string(o.Who) + ": " + string(o.Act)
	}
	parts := []string{done}
	for _, part := range []struct {
		holds bool
		text  string
	}{
		{o.Named, "with the server's name, which SSLv3 has no room for"},
		{o.Says != 0, "the judge's supported_versions say " + o.Says.String()},
		{o.Sentinel != 0, "the judge's random says that TLS 1.3 was talked down to " + o.Sentinel.String()},
		{o.Suite != 0, fmt.Sprintf("the judge picks the suite %04x", uint16(o.Suite))},
		{o.Bare, "the judge sends no renegotiation_info"},
		{o.Leaf != "", "the judge's certificate is of the kind " + string(o.Leaf)},
		{o.Ask, "the judge requires a certificate"},
		{o.Staple != "", "the judge staples an OCSP response of the kind " + string(o.Staple)},
		{o.Fallback, "with TLS_FALLBACK_SCSV"},
		{o.Lists != nil, fmt.Sprintf("its supported_versions say %v", o.Lists)},
		{o.V2, "in the format of SSLv2"},
		{o.Match != "", "for names that begin with " + strings.ReplaceAll(o.Match, ",", " or ")},
		{o.Setup.Conf, "OPENSSL_CONF allows everything"},
		{o.Setup.Context != "", "context " + o.Setup.Context},
		{o.Setup.Min != 0, "minimum lowered to " + o.Setup.Min.String()},
		{o.Setup.Max != 0, "maximum " + o.Setup.Max.String()},
		{o.Setup.Level0, "security level 0"},
		{o.Setup.Ciphers != "", "ciphers " + o.Setup.Ciphers},
		{o.Setup.Legacy, "servers without RFC 5746 allowed"},
		{o.Setup.Trust != "", "CAs that are trusted: " + string(o.Setup.Trust)},
		{o.Setup.Insecure, "nothing is verified"},
		{o.Setup.AnyName, "the host's name is not checked"},
		{o.Setup.CRL, "with the CA's revocation list"},
		{o.Setup.Identity != "", "its own certificate: " + string(o.Setup.Identity)},
		{o.Setup.Status, "an OCSP staple is asked for"},
		{o.Setup.Long, "ALPN with long names"},
		{o.Setup.Library != "", "through " + string(o.Setup.Library)},
		{o.Setup.AnyCert, "any certificate allowed (tlsAllowInvalidCertificates)"},
		{o.Setup.Plain, "in a script of its own, as users start it"},
		{o.Setup.StartTLS != "", "behind what " + o.Setup.StartTLS + " speaks before TLS"},
		{o.Setup.Direct, "TLS at once (sslnegotiation=direct)"},
		{o.Setup.Mode != "", "sslmode=" + o.Setup.Mode},
		{o.Setup.NoEndpoint, "no OCSP endpoint is asked (tlsDisableOCSPEndpointCheck)"},
	} {
		if part.holds {
			parts = append(parts, part.text)
		}
	}
	return clean(strings.Join(parts, "; "))
}

// describeWant says in one line what must happen.
func describeWant(w verify.Want) string {
	s := string(w.Outcome)
	if w.Version != 0 {
		s += " " + w.Version.String()
	}
	if w.Reason != "" {
		s += " " + w.Reason
	}
	if w.Alert != 0 {
		s += ", alert " + w.Alert.String()
	}
	if w.From != "" {
		s += " by the " + string(w.From)
	}
	if w.Record != 0 {
		s += " in a record of " + w.Record.String()
	}
	for _, part := range []struct {
		holds bool
		text  string
	}{
		{w.Verify != 0, fmt.Sprintf(", verification's code %d", w.Verify)},
		{w.Staple != "", ", the staple is " + string(w.Staple)},
		{w.Hello != 0, fmt.Sprintf(", a hello of at most %d bytes", w.Hello)},
		{w.Longer != 0, fmt.Sprintf(", a hello of more than %d bytes", w.Longer)},
	} {
		if part.holds {
			s += part.text
		}
	}
	switch {
	case len(w.Offered) > 0:
		s += fmt.Sprintf(", the hello offers %v", w.Offered)
	case w.Offered != nil:
		s += ", no hello is sent"
	}
	return clean(s)
}

// describeGot says in one line what happened.
func describeGot(t verify.Trial) string {
	s := t.Got.String()
	if len(t.Got.Offered) > 0 {
		s += fmt.Sprintf(", offered %v", t.Got.Offered)
	}
	if t.Got.Hello != 0 {
		s += fmt.Sprintf(", a hello of %d bytes", t.Got.Hello)
	}
	if t.Problem != "" {
		s += ": " + t.Problem
	}
	return clean(s)
}

// describeReport gives a program's own words, or "".
func describeReport(r verify.Report) string {
	words := slices.DeleteFunc([]string{r.Cipher, r.Text}, func(s string) bool { return s == "" })
	return clean(strings.Join(words, "; "))
}

// step is one trial of a case: the thing itself, or a control.
type step struct {
	Control                   string // "" for the case's own
	Tried, Expected, Happened string
	Said                      string // the program's own words
	Transcript                string // annotated; "" when nothing went over a wire
}

// steps are the case's own trial and those of its controls. Without a finding nothing happened in any.
func (r result) steps() []step {
	all := []step{{Tried: describeOffer(r.Offer), Expected: describeWant(r.Want)}}
	for _, c := range r.Controls {
		all = append(all, step{Control: clean(c.Name), Tried: describeOffer(c.Offer), Expected: describeWant(c.Want)})
	}
	for i := range all {
		if t := r.trial(i); t != nil {
			all[i].Happened, all[i].Said, all[i].Transcript = describeGot(*t), describeReport(t.Report), t.Transcript.String()
		}
	}
	return all
}

// trial returns the i-th trial: 0 is the case's own, the controls follow. It is nil when that did not run.
func (r result) trial(i int) *verify.Trial {
	switch {
	case r.Finding == nil || i > len(r.Finding.Controls):
		return nil
	case i == 0:
		return &r.Finding.Trial
	}
	return &r.Finding.Controls[i-1]
}
