package fetch

import (
	"regexp"
	"strings"
)

// What may hold a secret: the user part of a URL, with or without a scheme before it, and its query.
var (
	userPart  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"/]*@`)
	bareUser  = regexp.MustCompile(`[^\s"/]+:[^\s"/]*@`)
	queryPart = regexp.MustCompile(`(://[^\s"?]*)\?[^\s"]*`)
)

// redact hides all credentials that stand in the text s, an error's or a URL. All that leaves this room goes through it.
func redact(s string) string {
	s = userPart.ReplaceAllString(s, "${1}***@")
	s = bareUser.ReplaceAllString(s, "***@")
	return queryPart.ReplaceAllString(s, "${1}?***")
}

// reason is err in one line, without credentials.
func reason(err error) string {
	return redact(strings.ReplaceAll(err.Error(), "\n", "; "))
}
