package verify

import "github.com/tlsfloor/tlsfloor/verify/wire"

// Sight is what a transcript shows of a client at one of our servers: nothing that the client says of itself
// afterwards is in it.
type Sight struct {
	Hello  *wire.ClientHello // nil where none came whole
	SSL2   *wire.SSL2Hello   // the same in the format of SSLv2
	Size   int               // in bytes, of the records that the hello came in
	Answer *wire.ServerHello // ours
	GoesOn bool              // after our answer the client sent more of a handshake: it took version and suite
	Alert  *SentAlert        // the first fatal one in plaintext: the client's if it sent one, else ours
}

// Sight reads t. It is total, as the parsers of wire are.
func (t Transcript) Sight() Sight {
	s := Sight{Hello: t.clientHello(FromSubject), Size: t.helloSize(FromSubject), Answer: t.serverHello(FromJudge), Alert: t.fatal()}
	if h, err := wire.ParseSSL2Hello(t.sent(FromSubject)); err == nil && s.Hello == nil {
		s.SSL2, s.Size = h, len(h.Bytes())
	}
	s.GoesOn = s.Answer != nil && !s.Answer.Retries() && t.goesOn()
	return s
}

// goesOn reports whether the subject's second flight has a record of a handshake or of what comes behind one.
func (t Transcript) goesOn() bool {
	answered := false
	var later Transcript
	for _, s := range t {
		answered = answered || s.From == FromJudge
		if answered && s.From == FromSubject {
			later = append(later, s)
		}
	}
	for _, r := range later.records(FromSubject) {
		if r.Type == wire.Handshake || r.Type == wire.ApplicationData { // a lone change_cipher_spec is for middleboxes (RFC 8446 appendix D.4)
			return true
		}
	}
	return false
}
