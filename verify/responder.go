package verify

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

// respond answers OCSP requests over HTTP (RFC 6960 appendix A) on l as their path says: /good, /revoked or
// /malformed. It ends when the returned server is closed.
func respond(l net.Listener, by *authority) *http.Server {
	server := &http.Server{ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(io.LimitReader(q.Body, maxTranscript))
		if err != nil {
			return
		}
		request, err := ocsp.ParseRequest(body)
		if err != nil {
			http.Error(w, "no OCSP request: "+err.Error(), http.StatusBadRequest)
			return
		}
		response, err := by.respond(Staple(strings.TrimPrefix(q.URL.Path, "/")), request.SerialNumber, time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(response)
	})
	go server.Serve(l)
	return server
}
