package fetch

import (
	"errors"
	"net"
	"regexp"
	"strings"
)

// What may hold a secret: the user part of a URL, with or without a scheme before it, and its query.
var (
	userPart  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"/]*@`)
	bareUser  = regexp.MustCompile(`[^\s"/]+:[^\s"/]*@`)
	queryPart = regexp.MustCompile(`(://[^\s"?]*)\?[^\s"]*`)
)

// redact hides all credentials that stand in the text s, an error's or a URL. All that leaves this room goes
// through it.
func redact(s string) string {
	s = userPart.ReplaceAllString(s, "${1}***@")
	s = bareUser.ReplaceAllString(s, "***@")
	return queryPart.ReplaceAllString(s, "${1}?***")
}

// reason is err in one line, without credentials. A name that cannot be resolved is said without the
// resolver's address.
func reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "host not found"
	}
	return redact(strings.ReplaceAll(err.Error(), "\n", "; "))
}
