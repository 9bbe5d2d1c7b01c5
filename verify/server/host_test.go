package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// run runs a program of the host with nothing of this process's environment: an SSL_CERT_FILE or OPENSSL_CONF
// would be another client.
func run(t *testing.T, input string, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("%v: %v", argv, err)
	}
	return out.String()
}

// host returns a program of the host's, by a path that no manager of versions stands before.
func host(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath("/usr/bin/" + name)
	if err != nil {
		t.Skipf("the host has no %s", name)
	}
	return path
}

var protocol = regexp.MustCompile(`(?m)^\s*Protocol\s*:\s*(\S+)`)

// agrees holds what a host's client printed against the wire. How a host is set up is not ours to know, only
// that the two agree: below the floor it is either refused or found out.
func agrees(t *testing.T, p Place, v Visit, printed string) {
	t.Helper()
	shown := ""
	if found := protocol.FindAllStringSubmatch(printed, -1); len(found) == 1 {
		shown = strings.Replace(strings.TrimPrefix(found[0][1], "TLSv"), "1.", "TLS 1.", 1)
		if shown == "1" {
			shown = "TLS 1.0"
		}
	} else if len(found) > 1 {
		t.Errorf("%s: %d lines of a protocol:\n%s", p.Name, len(found), printed)
	}
	if shown != v.Version {
		t.Errorf("%s: the client shows %q, the wire %q:\n%s", p.Name, shown, v.Version, printed)
	}
	offersOld := v.Offered != nil && (slices.Contains(v.Offered.Versions, "TLS 1.1") || slices.Contains(v.Offered.Versions, "TLS 1.0"))
	connectsOld := v.Version == "TLS 1.1" || v.Version == "TLS 1.0"
	if want := offersOld || connectsOld; want != (v.Verdict == Below) {
		t.Errorf("%s: %s", p.Name, v.Line())
	}
	t.Logf("%s: %s", p.Name, v.Line())
}

// The guide's own check.
const checkPy = `
import sys, urllib3
http = urllib3.PoolManager(ca_certs=sys.argv[1], cert_reqs='CERT_REQUIRED', retries=False)
print(http.request('GET', sys.argv[2]).data.decode('UTF-8'))
`

func TestGuideWithURLLib3(t *testing.T) {
	python := host(t, "python3")
	if out := run(t, "", python, "-c", "import urllib3"); out != "" {
		t.Skipf("%s has no urllib3: %s", python, strings.TrimSpace(out))
	}
	r := begin(t, Options{})
	for name, version := range map[string]string{"any": "TLS 1.3", "tls12": "TLS 1.2", "tls11": "TLS 1.1", "tls10": "TLS 1.0"} {
		p := r.place(t, name)
		out := run(t, "", python, "-W", "ignore", "-c", checkPy, r.Files().CA, p.URL)
		v := r.next(t)
		agrees(t, p, v, out)
		switch {
		case v.Version == version:
		case v.Version != "" || name == "any" || name == "tls12":
			t.Errorf("%s: %s\n%s", name, v.Line(), out)
		case !strings.Contains(out, "SSLError") || v.Alert == nil:
			t.Errorf("%s: refused without a reason: %s\n%s", name, v.Line(), out)
		}
	}
	// PyMongo's documentation asks howsmyssl for the version in this way.
	out := run(t, "", python, "-W", "ignore", "-c", checkPy+"import json\nprint(json.loads(http.request('GET', sys.argv[3]).data)['tls_version'])", r.Files().CA, r.place(t, "any").URL, r.place(t, "tls12").URL+"a/check")
	if !strings.HasSuffix(strings.TrimSpace(out), "TLS 1.2") {
		t.Errorf("/a/check: %s", out)
	}
}

func TestHostOpenSSL(t *testing.T) {
	openssl := host(t, "openssl")
	r := begin(t, Options{})
	client := func(name string, more ...string) (string, Visit) {
		p := r.place(t, name)
		argv := append([]string{openssl, "s_client", "-connect", "localhost:" + strconv.Itoa(p.Port), "-CAfile", r.Files().CA, "-verify_return_error", "-ign_eof"}, more...)
		return run(t, "GET / HTTP/1.0\r\n\r\n", argv...), r.next(t)
	}
	for _, test := range []struct {
		name string
		more []string
	}{
		{"any", nil},
		{"tls12", nil},
		{"tls11", nil},
		{"tls11", []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}},
		{"tls10", []string{"-tls1", "-cipher", "DEFAULT@SECLEVEL=0"}},
		{"hello-0302", []string{"-tls1_2"}},
		{"hello-0302", []string{"-tls1_3"}},
	} {
		if strings.Contains(run(t, "", append(append([]string{openssl, "s_client"}, test.more...), "-help")...), "nknown option") {
			t.Logf("%s: this openssl has no %v", test.name, test.more)
			continue
		}
		// Without -quiet it prints a session of its own, in the form of the page.
		out, v := client(test.name, append(test.more, "-quiet")...)
		agrees(t, r.place(t, test.name), v, out)
	}
	for name, want := range map[string]string{"ocsp-good": "Cert Status: good", "ocsp-revoked": "Cert Status: revoked", "ocsp-absent": "no response sent"} {
		if out, v := client(name, "-status", "-tls1_2"); !strings.Contains(out, want) {
			t.Errorf("%s: %s\n%s", name, v.Line(), out)
		}
	}
	for name, says := range map[string]string{"cert-untrusted": "num=20", "cert-expired": "num=10", "cert-not-yet-valid": "num=9", "client-cert": "certificate required"} {
		if out, v := client(name); !strings.Contains(out, says) || v.Verdict != AsItMust && v.Note != "it offers TLS 1.1" {
			t.Errorf("%s: %s\n%s", name, v.Line(), out)
		}
	}
}

func TestHostCurl(t *testing.T) {
	curl := host(t, "curl")
	r := begin(t, Options{})
	p := r.place(t, "tls12")
	var c Check
	text := run(t, "", curl, "-sS", "--cacert", r.Files().CA, p.URL+"a/check")
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.TLSVersion != "TLS 1.2" {
		t.Errorf("%v: %s", err, text)
	}
	r.next(t)
	head := run(t, "", curl, "-sSI", "--cacert", r.Files().CA, p.URL)
	if v := r.next(t); !strings.HasPrefix(head, "HTTP/1.1 200 OK") || !strings.Contains(head, "Content-Length: ") || !strings.Contains(head, "Connection: close") || v.Request != "HEAD /" {
		t.Errorf("%s: %s", v.Line(), head)
	}
	p = r.place(t, "max11")
	agrees(t, p, func() Visit { text = run(t, "", curl, "-sS", "--cacert", r.Files().CA, p.URL); return r.next(t) }(), text)
}
