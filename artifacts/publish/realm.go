package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// A registry says where its tokens are to be had (its realm), where a file is to be sent (a location), and
// where one really is (a redirect). This is what it may say:
//
//   - a realm gets the registry's user and password when it is on the registry's own host, on a host of the
//     same registrable domain (registry.example.org and login.example.org; the public suffix list says what
//     that is), or on one that the user has logged in to as well. Where there is no password for the
//     registry any realm may be asked
//   - a redirect to another host goes to https only, and takes neither password nor token along: oras-go
//     drops them
//   - files are sent to the registry's own host only: oras-go looks at that
//
// Over all of it internal/engine/transport lets no registry send this program into the machine's own network.

// door is the http.RoundTripper between a registry's client and the network.
type door struct {
	next  http.RoundTripper
	host  string // the registry's, as the user named it
	plain bool   // it is asked by http
	login auth.CredentialFunc
}

// RoundTrip implements http.RoundTripper.
func (d *door) RoundTrip(req *http.Request) (*http.Response, error) {
	// But for a redirect, which checkRedirect has seen, the client asks nobody else but realms.
	if !strings.EqualFold(req.URL.Host, d.host) && req.Response == nil {
		if err := d.realm(req.Context(), req.URL); err != nil {
			return nil, err
		}
	}
	return d.next.RoundTrip(req)
}

// realm reports one that may not be asked.
func (d *door) realm(ctx context.Context, u *url.URL) error {
	own := strings.EqualFold(u.Hostname(), hostOf(d.host))
	if u.Scheme != "https" && !(d.plain && own && u.Scheme == "http") {
		return fmt.Errorf("%s gives its tokens at %s, which is not https", d.host, u.Redacted())
	}
	if own || related(u.Hostname(), hostOf(d.host)) {
		return nil
	}
	password, err := d.login(ctx, d.host)
	if err != nil || password == auth.EmptyCredential {
		return err
	}
	if known, err := d.login(ctx, u.Host); err != nil || known != auth.EmptyCredential {
		return err
	}
	return fault.New(fault.Failed, "when that is right, log in there as well: docker login "+u.Host,
		"%s wants its password sent to %s, another's host", d.host, u.Host)
}

// related reports whether two hosts are of the same registrable domain.
func related(a, b string) bool {
	one, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(a))
	two, err2 := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(b))
	return err == nil && err2 == nil && one == two
}

func hostOf(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

const redirectLimit = 5

// checkRedirect is the http.Client's.
func checkRedirect(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer")
	from, to := via[len(via)-1].URL, req.URL
	switch {
	case len(via) > redirectLimit:
		return fmt.Errorf("more than %d redirects", redirectLimit)
	case to.User != nil:
		return errors.New("redirects to an address with a user's name")
	case to.Scheme == "https", to.Scheme == "http" && from.Scheme == "http" && to.Host == via[0].URL.Host:
		return nil
	}
	return fmt.Errorf("redirects from %s to %s", from.Scheme, to.Redacted())
}
