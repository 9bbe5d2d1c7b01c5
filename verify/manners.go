package verify

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// manners are what the server says to a client over a completed connection: what it needs to find that all is
// well.
func (c *court) manners(ctx context.Context, o Offer) func(*tls.Conn) {
	if addr := c.backend(o); addr != "" {
		return func(s *tls.Conn) { c.relay(ctx, s, addr) }
	}
	switch {
	case o.Setup.Library == Botocore:
		return cloud
	case o.Setup.Library.libpq():
		return func(s *tls.Conn) { speakPostgres(s) }
	case o.Who == Command || o.Setup.Library == URLLib3:
		return func(s *tls.Conn) { say(s, page("text/plain", Greeting)) }
	}
	return func(s *tls.Conn) { say(s, Greeting) }
}

// backend is the server that a client gets to speak with, "" for none. Nothing but the handshake is asked of
// openssl.
func (c *court) backend(o Offer) string {
	if o.Who == WeakOpenSSL {
		return ""
	}
	return c.Toolchain.Backends[o.Setup.Library]
}

// page is an answer of HTTP/1.1, after which the connection ends.
func page(kind, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", kind, len(body), body)
}

// The answers to the first calls of everybody: who am I, and what buckets are there (AWS's API references of
// STS and S3).
const (
	identity = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/example</Arn><UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	buckets  = `<?xml version="1.0" encoding="UTF-8"?><ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>example</ID></Owner><Buckets><Bucket><Name>%s</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`
)

// cloud answers one request as STS or S3 would; who asks for anything else gets no answer.
func cloud(s *tls.Conn) {
	request, err := http.ReadRequest(bufio.NewReader(io.LimitReader(s, maxTranscript)))
	if err != nil {
		return
	}
	if kind, body := CloudAnswer(request); kind != "" {
		say(s, page(kind, body))
	}
}

// CloudAnswer is what AWS would say to GetCallerIdentity of STS or to ListBuckets of S3, with example names:
// the content type and the body, both "" for any other request. Signatures are not checked.
func CloudAnswer(request *http.Request) (kind, body string) {
	if !strings.HasPrefix(request.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		return "", ""
	}
	switch {
	case request.Method == http.MethodPost:
		form, err := io.ReadAll(io.LimitReader(request.Body, maxTranscript))
		if err == nil && strings.Contains(string(form), "Action=GetCallerIdentity") {
			return "text/xml", identity
		}
	case request.Method == http.MethodGet && request.URL.Path == "/":
		return "application/xml", fmt.Sprintf(buckets, strings.TrimSpace(Greeting))
	}
	return "", ""
}

// relay is a TLS front: what the client says goes to the server at addr, and back, until that has nothing
// more to say, or ctx ends.
func (c *court) relay(ctx context.Context, s net.Conn, addr string) {
	backend, err := c.Dial(ctx, addr)
	if err != nil {
		return
	}
	defer backend.Close()
	defer context.AfterFunc(ctx, func() { backend.Close() })()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		io.Copy(backend, s)
		if half, ok := backend.(*net.TCPConn); ok {
			half.CloseWrite()
		}
	}()
	io.Copy(s, backend)
	s.Close() // so that the other one ends too
	<-asked
}
