package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// PostgreSQL 17 and what it needs of its own distribution, whose C library is newer than the host's.
var postgres17 = strings.Fields(`postgresql-17 libpq5 libc6 libssl3t64 libxml2 libicu76 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
	libldap2 libsasl2-2 libpam0g libaudit1 libcap-ng0 libsystemd0 liblz4-1 libzstd1 zlib1g liblzma5 libgcc-s1 libstdc++6 libselinux1 libpcre2-8-0 libcap2 libuuid1 libxxhash0 tzdata dash`)

// startPostgres17 runs it below a root folder of its own, as a system of its distribution.
func startPostgres17(t *testing.T, next *pool, a authority) *postgres {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("another root folder needs root")
	}
	root, err := os.MkdirTemp("", "tlsfloor-postgres17-") // not the test's own, in which nobody else may look
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	tree := next.rooted(t, postgres17...)
	if err := os.Rename(filepath.Join(tree, "usr"), filepath.Join(root, "usr")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"dev", "tmp", "etc", "srv"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"lib", "lib64", "bin"} {
		if err := os.Symlink("usr/"+link, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("nobody:x:65534:65534::/:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &postgres{root: root, dir: filepath.Join(root, "srv", "data")}
	p.start(t, a, "/usr/lib/postgresql/17/bin")
	return p
}

// directTLS connects without an SSLRequest before the handshake (sslnegotiation=direct), which servers know
// from 17 on.
func (r *real) directTLS(t *testing.T, before *postgres, next *pool, a authority, right, wrong string) {
	p := startPostgres17(t, next, a)
	base := "hostaddr=127.0.0.1 user=proof dbname=postgres sslnegotiation=direct "
	const tls13 = "True TLSv1.3 TLS_AES_256_GCM_SHA384"
	tests := []struct{ line, want string }{
		{base + "host=localhost sslmode=require port=" + p.port(), tls13},
		{base + "host=localhost sslmode=verify-full port=" + p.port() + " sslrootcert=" + right, tls13},
		{base + "host=localhost sslmode=verify-full ssl_max_protocol_version=TLSv1.2 port=" + p.port() + " sslrootcert=" + right, "True TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"},
		{base + "host=localhost sslmode=verify-full port=" + p.port() + " sslrootcert=" + wrong, "SSL error: certificate verify failed"},
		{base + "host=elsewhere sslmode=verify-full port=" + p.port() + " sslrootcert=" + right, `does not match host name "elsewhere"`},
		{base + "host=localhost sslmode=prefer port=" + p.port(), `weak sslmode "prefer" may not be used with sslnegotiation=direct`},
		{base + "host=localhost sslmode=require port=" + before.port(), "connection to server"}, // a server of before 17 does not know it
		{strings.Replace(base, "direct", "postgres", 1) + "host=localhost sslmode=require port=" + p.port(), tls13},
	}
	var args []string
	for _, test := range tests {
		args = append(args, test.line)
	}
	out := strings.Split(strings.TrimSpace(r.with(t, nil, append([]string{python3, "-c", sessions}, args...)...)), "\n")
	for i, test := range tests {
		if i >= len(out) || !strings.Contains(out[i], test.want) {
			t.Errorf("%s: %q, want %q", test.line, out[min(i, len(out)-1)], test.want)
		}
	}
}
