package cacerts

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// object is one PKCS #11 object of certdata.txt: attribute -> value; octal text is decoded.
type object map[string]string

// The attributes and values of certdata.txt that count, as NSS documents them at its head.
const (
	isCertificate = "CKO_CERTIFICATE"
	isTrust       = "CKO_NSS_TRUST"
	trustedRoot   = "CKT_NSS_TRUSTED_DELEGATOR" // may name whom to trust; every other value may not
	serverAuth    = "CKA_TRUST_SERVER_AUTH"
	distrustAfter = "CKA_NSS_SERVER_DISTRUST_AFTER"
)

// FromMozilla reads certdata.txt and returns the roots that are trusted to name TLS servers. A certificate
// without a trust object of its own issuer, serial number and SHA-1 digest is not trusted.
func FromMozilla(data []byte) (List, error) {
	objects, err := parseObjects(data)
	if err != nil {
		return nil, fmt.Errorf("certdata.txt: %w", err)
	}
	trusted := map[string]string{}
	for _, o := range objects {
		if o["CKA_CLASS"] == isTrust {
			trusted[o.identity()+o["CKA_CERT_SHA1_HASH"]] = o[serverAuth]
		}
	}
	var list List
	for _, o := range objects {
		der := o["CKA_VALUE"]
		sum := sha1.Sum([]byte(der)) // the list's own way to say which certificate is meant; its own digest guards the list
		if o["CKA_CLASS"] != isCertificate || trusted[o.identity()+string(sum[:])] != trustedRoot {
			continue
		}
		cert, err := x509.ParseCertificate([]byte(der))
		if err != nil {
			return nil, fmt.Errorf("certdata.txt: %s: %w", plain(o["CKA_LABEL"]), err)
		}
		note, err := o.note()
		if err != nil {
			return nil, fmt.Errorf("certdata.txt: %s: %w", plain(o["CKA_LABEL"]), err)
		}
		list = append(list, Anchor{Cert: cert, Sources: []Source{Mozilla}, Note: note})
	}
	if len(list) == 0 {
		return nil, errors.New("certdata.txt: no trusted root in it")
	}
	return Merge(list), nil
}

func (o object) identity() string {
	return o["CKA_ISSUER"] + "\x00" + o["CKA_SERIAL_NUMBER"] + "\x00"
}

// note says after which day a root's new server certificates are distrusted (UTCTime, or CK_FALSE for never).
func (o object) note() (string, error) {
	after := o[distrustAfter]
	if after == "" || after == "CK_FALSE" {
		return "", nil
	}
	day, err := time.Parse("060102150405Z", after)
	if err != nil {
		return "", fmt.Errorf("%s: %w", distrustAfter, err)
	}
	return "Mozilla distrusts server certificates that it issues after " + day.Format(time.DateOnly) + "; OpenSSL does not know of that", nil
}

// parseObjects reads the lines of certdata.txt: "ATTRIBUTE TYPE VALUE", and for the type MULTILINE_OCTAL
// lines of \ooo up to END. CKA_CLASS begins a new object.
func parseObjects(data []byte) ([]object, error) {
	var all []object
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		f := strings.SplitN(strings.TrimSpace(sc.Text()), " ", 3)
		if !strings.HasPrefix(f[0], "CKA_") {
			continue // a comment, an empty line, BEGINDATA
		}
		if f[0] == "CKA_CLASS" {
			all = append(all, object{})
		}
		if len(all) == 0 || len(f) < 2 {
			return nil, fmt.Errorf("line %d: %s is out of place", n, plain(f[0]))
		}
		value := ""
		switch {
		case f[1] == "MULTILINE_OCTAL":
			octal, read, err := readOctal(sc)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", n, plain(f[0]), err)
			}
			value, n = octal, n+read
		case len(f) == 3:
			value = strings.Trim(f[2], `"`)
		}
		all[len(all)-1][f[0]] = value
	}
	return all, sc.Err()
}

// readOctal reads lines of \ooo up to END, and counts them.
func readOctal(sc *bufio.Scanner) (string, int, error) {
	var out []byte
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "END" {
			return string(out), n, nil
		}
		for ; len(line) >= 4 && line[0] == '\\'; line = line[4:] {
			b, err := strconv.ParseUint(line[1:4], 8, 8)
			if err != nil {
				return "", n, err
			}
			out = append(out, byte(b))
		}
		if line != "" {
			return "", n, fmt.Errorf("%q is no octal text", line)
		}
	}
	return "", 0, errors.New("no END")
}
