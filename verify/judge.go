package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// EOF is the Reason that subjects report when the peer hung up in the middle of a handshake.
const EOF = "EOF"

// Closed is the Reason of a server of which nothing is known but the wire, and which hung up without a byte.
const Closed = "CLOSED"

// Report is what a program said about one trial, brought into one form for all of them.
type Report struct {
	OK      bool         `json:"ok"`
	Version wire.Version `json:"version,omitzero"` // the version that the program says it speaks
	Cipher  string       `json:"cipher,omitempty"`
	Reason  string       `json:"reason,omitempty"` // the library's reason, upper case; EOF; or the exception's name
	Text    string       `json:"text,omitempty"`   // its words, for people
	Facts   []string     `json:"facts,omitempty"`  // a static look's: each is one thing found
	Verify  int          `json:"verify,omitempty"` // why a certificate was refused, by X509_verify_cert's code
	Staple  Staple       `json:"staple,omitempty"` // what an OCSP staple said, where the program was asked to look
}

// Got is what a trial showed: a pure function of Offer, Report and Transcript, so that a stored proof can be
// judged again.
type Got struct {
	Outcome Outcome        `json:"outcome,omitempty"`
	Version wire.Version   `json:"version,omitzero"`
	Reason  string         `json:"reason,omitempty"`
	Alert   *SentAlert     `json:"alert,omitempty"`
	Offered []wire.Version `json:"offered,omitempty"` // the subject's hello
	Facts   []string       `json:"facts,omitempty"`
	Verify  int            `json:"verify,omitempty"`
	Staple  Staple         `json:"staple,omitempty"`
	Hello   int            `json:"hello,omitempty"` // size in bytes of the client's first message on the wire
}

// Trial is one Offer, carried out. Problem says why it could not be, and is empty otherwise.
type Trial struct {
	Got        Got        `json:"got"`
	Report     Report     `json:"report"`
	Transcript Transcript `json:"transcript,omitempty"`
	Completed  bool       `json:"completed,omitempty"` // Serve: our server saw a handshake at Offer.Version to its end, whatever the subject says
	Told       bool       `json:"told,omitempty"`      // Serve: an alert of the subject's ended it, which may have been encrypted
	Problem    string     `json:"problem,omitempty"`

	Clear bool         `json:"clear,omitempty"` // Serve, Answer, Decline: the client went on without TLS
	More  []Connection `json:"more,omitempty"`  // a client that came again
}

// Connection is one of several that a client made.
type Connection struct {
	Transcript Transcript `json:"transcript"`
	Completed  bool       `json:"completed,omitempty"`
	Told       bool       `json:"told,omitempty"`
	Clear      bool       `json:"clear,omitempty"` // the client went on without TLS
}

// observe fills in Got.
func (t Trial) observe(o Offer) Trial {
	t.Got = Got{}
	if t.Problem != "" {
		return t
	}
	switch {
	case o.Act.Static():
		t.Got = Got{Outcome: Absent, Facts: t.Report.Facts}
		if len(t.Report.Facts) > 0 {
			t.Got.Outcome = Present
		}
	case o.Act == Greet:
		t.Got = observeServer(t.Report, t.Transcript)
	case o.Act == Decline:
		t.Got = observeDeclined(t.Report)
	case o.Act == Listen:
		t.Got = observeDatagram(t.Report, t.Transcript)
	default:
		t.Got = observeClient(o, t.Report, t.Transcript, t.Completed || t.Told)
	}
	if t.Got.Outcome == "" {
		t.Problem = "neither accepted nor refused: " + describe(t.Report)
	}
	return t
}

// describe is one line, however much a program said.
func describe(r Report) string {
	text := strings.Join(strings.Fields(r.Reason+" "+r.Text), " ")
	return text[:min(len(text), 200)]
}

// observeClient decides from both ends: the subject's word alone is never enough for a connection.
func observeClient(o Offer, r Report, t Transcript, ended bool) Got {
	got := Got{Hello: t.helloSize(FromSubject)}
	if h := t.clientHello(FromSubject); h != nil {
		got.Offered = h.Offered()
	}
	chosen, alert := t.serverHello(FromJudge), t.fatal()
	if (o.Who == Command || o.Setup.Library != "") && r.OK && chosen != nil { // it says no version
		r.Version = chosen.Chosen()
	}
	switch {
	case r.OK && chosen != nil && chosen.Chosen() == r.Version && o.Act == Serve:
		got.Outcome, got.Version, got.Staple = Connected, r.Version, r.Staple
		return got
	case r.OK:
	case o.Act == Answer && r.Reason == EOF && chosen != nil && alert.ComplainsOfEOF():
		got.Outcome, got.Version = Proceeds, chosen.Chosen()
		return got
	case o.Who == Command && alert == nil && !ended: // it may have run out of time
	case r.Reason != "":
		got.Outcome = Refused
	}
	got.Reason, got.Alert, got.Verify = r.Reason, alert, r.Verify
	return got
}

// ComplainsOfEOF reports whether an alert after our half-close is only about that: none, or decode_error,
// which SSLv3 does not have and OpenSSL sends as handshake_failure there.
func (a *SentAlert) ComplainsOfEOF() bool {
	return a == nil || a.Description == wire.DecodeError || a.Record == wire.SSL30 && a.Description == wire.HandshakeFailure
}

func observeServer(r Report, t Transcript) Got {
	if h := t.serverHello(FromSubject); h != nil {
		return Got{Outcome: Answered, Version: h.Chosen()}
	}
	got := Got{Reason: r.Reason, Alert: t.fatal()}
	if got.Alert != nil && got.Alert.From == FromSubject || r.Reason == Closed {
		got.Outcome = Refused
	}
	return got
}

// observeDeclined is a client that was told that there is no TLS.
func observeDeclined(r Report) Got {
	switch {
	case r.OK:
		return Got{Outcome: Plaintext}
	case r.Reason != "":
		return Got{Outcome: Refused, Reason: r.Reason}
	}
	return Got{}
}

// observeDatagram looks at a DTLS client's first record: type, version, then what we need not read (RFC 4347
// section 4.1).
func observeDatagram(r Report, t Transcript) Got {
	data := t.sent(FromSubject)
	if len(data) > 13 && data[0] == byte(wire.Handshake) {
		return Got{Outcome: Proceeds, Version: wire.Version(data[1])<<8 | wire.Version(data[2])}
	}
	if len(data) == 0 && r.Reason != "" {
		return Got{Outcome: Refused, Reason: r.Reason}
	}
	return Got{}
}

// mismatch says how got differs from w, or "".
func (w Want) mismatch(got Got) string {
	switch {
	case got.Outcome != w.Outcome:
		return fmt.Sprintf("%s, not %s", got, w.Outcome)
	case w.Version != 0 && got.Version != w.Version:
		return fmt.Sprintf("%s, not at %s", got, w.Version)
	case w.Reason != "" && got.Reason != w.Reason:
		return fmt.Sprintf("%s, not for %s", got, w.Reason)
	case w.Alert != 0 && (got.Alert == nil || got.Alert.Description != w.Alert):
		return fmt.Sprintf("%s, not with alert %s", got, w.Alert)
	case got.Alert != nil && slices.Contains(w.Unlike, got.Alert.Description):
		return fmt.Sprintf("%s, which says nothing of the version", got)
	case w.From != "" && (got.Alert == nil || got.Alert.From != w.From):
		return fmt.Sprintf("%s, not by the %s's alert", got, w.From)
	case w.Record != 0 && (got.Alert == nil || got.Alert.Record != w.Record):
		return fmt.Sprintf("%s, not in a record of %s", got, w.Record)
	case w.Offered != nil && !slices.Equal(got.Offered, w.Offered):
		return fmt.Sprintf("%s, not offering %v", got, w.Offered)
	case w.Verify != 0 && got.Verify != w.Verify:
		return fmt.Sprintf("%s, not with verification's code %d", got, w.Verify)
	case w.Staple != "" && got.Staple != w.Staple:
		return fmt.Sprintf("%s, not with a staple that is %s", got, w.Staple)
	case w.Hello != 0 && got.Hello == 0:
		return fmt.Sprintf("%s, without a hello", got)
	case w.Hello != 0 && got.Hello > w.Hello:
		return fmt.Sprintf("its hello has %d bytes, more than %d", got.Hello, w.Hello)
	case w.Longer != 0 && got.Hello <= w.Longer:
		return fmt.Sprintf("its hello has %d bytes, no more than %d", got.Hello, w.Longer)
	}
	return ""
}

// String gives g in one line, the same for the same behaviour on any day.
func (g Got) String() string {
	if g.Outcome == "" {
		return "nothing"
	}
	s := string(g.Outcome)
	if g.Version != 0 {
		s += " " + g.Version.String()
	}
	if g.Reason != "" {
		s += " " + g.Reason
	}
	if g.Verify != 0 {
		s += fmt.Sprintf(" %d", g.Verify)
	}
	if g.Alert != nil {
		s += ", " + g.Alert.String()
	}
	if g.Staple != "" {
		s += ", staple " + string(g.Staple)
	}
	if len(g.Facts) > 0 {
		s += ": " + strings.Join(g.Facts, ", ")
	}
	return s
}

// breach says what t shows below the floor, or "": that needs no control, since it happened. A handshake that
// was completed is one even if the subject had trouble afterwards.
func (t Trial) breach(c Case, f Floor) string {
	for _, one := range append([]Connection{{Transcript: t.Transcript, Completed: t.Completed, Clear: t.Clear}}, t.More...) {
		if bad := one.breach(c, f); bad != "" {
			return bad
		}
	}
	if t.Problem != "" {
		return ""
	}
	g := t.Got
	switch {
	case g.accepted():
		if c.Want.Outcome == Refused && !c.Residual || g.Version < wire.Version(f) && g.Outcome != Plaintext {
			return g.String()
		}
	case g.Outcome == Present && c.Want.Outcome == Absent:
		return g.String()
	case c.Offer.Fallback && c.Offer.Version < wire.Version(f) && g.Alert != nil && g.Alert.From == FromSubject && g.Alert.Description == wire.InappropriateFallback:
		return g.String() + ": only the fallback is refused, the version is there"
	}
	return ""
}

// breach says what one connection shows. What a hello offers counts where versions are what is tried.
func (o Connection) breach(c Case, f Floor) string {
	if o.Clear && !c.Residual && c.Want.Outcome != Plaintext {
		return "it goes on without TLS"
	}
	if chosen := o.Transcript.serverHello(FromJudge); o.Completed && c.Offer.Act == Serve {
		if v := c.Offer.Version; v < wire.Version(f) || chosen != nil && chosen.Chosen() < wire.Version(f) {
			return "a handshake was completed at " + v.String()
		}
	}
	if h := o.Transcript.clientHello(FromSubject); h != nil && c.Role != Trust && !c.Residual {
		for _, v := range h.Offered() {
			if v < wire.Version(f) {
				return fmt.Sprintf("offers %s", v)
			}
		}
	}
	return ""
}

// judge gives the verdict on c: first what happened below the floor, then the controls, then the expectation.
func (fi Finding) judge(f Floor) (Status, string) {
	if fi.Skipped != "" {
		return Skip, fi.Skipped
	}
	if bad := fi.Trial.breach(fi.Case, f); bad != "" {
		return Fail, bad
	}
	if fi.Trial.Problem != "" {
		return Unproven, fi.Trial.Problem
	}
	if len(fi.Controls) != len(fi.Case.Controls) || len(fi.Controls) == 0 {
		return Unproven, "its control did not run"
	}
	for i, c := range fi.Case.Controls {
		if t := fi.Controls[i]; t.Problem != "" {
			return Unproven, fmt.Sprintf("control %s: %s", c.Name, t.Problem)
		} else if bad := c.Want.mismatch(t.Got); bad != "" {
			return Unproven, fmt.Sprintf("control %s: %s", c.Name, bad)
		}
	}
	bad := fi.Case.Want.mismatch(fi.Trial.Got)
	switch who := fi.Case.Offer.Who; {
	case bad == "":
		return Pass, ""
	// Not as expected is no breach of a stack that nothing is known of, or of a library that refuses in other
	// words.
	case who == Command || who == Endpoint || fi.Case.Offer.Setup.Library != "" && !fi.Trial.Got.accepted():
		return Unproven, strings.TrimSuffix(bad+": "+describe(fi.Report), ": ")
	case fi.Case.Residual && fi.Trial.Got.accepted():
		return Warned, "a residual: " + fi.Case.Why
	case fi.Case.Residual: // refused, but not for the reason that would close it
		return Unproven, bad
	}
	return Fail, bad
}

func (g Got) accepted() bool {
	return g.Outcome == Connected || g.Outcome == Proceeds || g.Outcome == Answered || g.Outcome == Plaintext
}
