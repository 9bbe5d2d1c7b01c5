package command

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// verdicts are what is right to say of a library.
type verdicts map[string]struct {
	library string
	verdict audit.Verdict
}

// auditLibraries are TLS libraries as Debian has them, by package. What takes long to download is tried by
// the long tests.
var auditLibraries = verdicts{
	"libbearssl0": {"BearSSL", audit.Below}, "libbearssl-dev": {"BearSSL", audit.Below},
	"libwolfssl42t64": {"wolfSSL", audit.Below}, "libwolfssl-dev": {"wolfSSL", audit.Below},
	"libmbedtls21": {"Mbed TLS", audit.Holds}, "libbotan-3-7": {"Botan", audit.Holds},
	"libbctls-java": {"Bouncy Castle", audit.Below}, "erlang-ssl": {"Erlang ssl", audit.Below},
	"libssl-dev": {"OpenSSL", audit.Below}, "libmono-security4.0-cil": {"Mono TLS", audit.Below},
}

var auditLargeLibraries = verdicts{
	"openjdk-21-jre-headless": {"Java JSSE", audit.Below},
	"openjdk-25-jre-headless": {"Java JSSE", audit.Below},
	"pandoc":                  {"Haskell tls", audit.Below},
}

// auditNeeds are what a library that holds has to find to be loaded: without it the audit has a gap.
var auditNeeds = map[string][]string{"libmbedtls21": {"libmbedcrypto16", "libmbedx509-7"}}

// libraries holds the audit against each library by itself: a package is what an environment may bring.
func (r *real) libraries(t *testing.T) {
	p := newPool(t, "trixie")
	all := []verdicts{auditLibraries}
	if os.Getenv("TLSFLOOR_TEST") == "long" {
		all = append(all, auditLargeLibraries)
	}
	for _, list := range all {
		for name, want := range list {
			tree := p.rooted(t, append([]string{name}, auditNeeds[name]...)...)
			code := map[audit.Verdict]int{audit.Holds: 0, audit.Below: 3}[want.verdict]
			if name == "libbotan-3-7" { // links libtspi, which is elsewhere, and which nobody looked into
				code = 9
			}
			report := r.audited(t, code, "audit:env", tree)
			found := 0
			for _, s := range report.Stacks {
				if s.Library != want.library || s.Verdict != want.verdict {
					t.Errorf("%s: %s %s, %s", name, s.File, s.String(), s.Verdict)
				}
				found++
			}
			if found == 0 {
				t.Errorf("%s: %+v", name, report)
			}
			if name == "libbearssl-dev" {
				r.speaks(t, tree)
			}
		}
	}
}

// speaks builds a client on BearSSL, static and stripped, which says hello with TLS 1.0: the audit says of it
// that it may.
func (r *real) speaks(t *testing.T, tree string) {
	dir := t.TempDir()
	client := filepath.Join(dir, "client")
	lib, _ := filepath.Glob(filepath.Join(tree, "usr/lib/*/libbearssl.a"))
	if len(lib) != 1 {
		t.Fatal(lib)
	}
	include := filepath.Join(tree, "usr/include")
	cmd := exec.Command("cc", "-s", "-o", client, "-I", include, "-x", "c", "-", "-x", "none", lib[0])
	cmd.Stdin = strings.NewReader(bearClient)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report := r.audited(t, 3, "audit:env", client)
	if len(report.Stacks) != 1 || report.Stacks[0].Library != "BearSSL" {
		t.Errorf("%+v", report)
	}
	// What it sends says what it speaks: a hello of TLS 1.0, and nothing above (RFC 2246, section 7.4.1.2).
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	run := exec.CommandContext(ctx, client, port)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, 11)
	if _, err := c.Read(hello); err != nil || hello[0] != 22 || hello[9] != 3 || hello[10] != 1 {
		t.Errorf("%v, % x", err, hello)
	}
	c.Close()
	run.Wait()
}

const bearClient = `#include <bearssl.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>
#include <stdlib.h>
static int get(void *c, unsigned char *b, size_t n) { int r = read(*(int *)c, b, n); return r <= 0 ? -1 : r; }
static int put(void *c, const unsigned char *b, size_t n) {
	int r = write(*(int *)c, b, n);
	return r <= 0 ? -1 : r;
}
int main(int n, char **v) {
	static br_ssl_client_context client;
	static br_x509_minimal_context x509;
	static unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
	br_ssl_client_init_full(&client, &x509, 0, 0);
	br_ssl_engine_set_versions(&client.eng, BR_TLS10, BR_TLS10);
	br_ssl_engine_set_buffer(&client.eng, buffer, sizeof buffer, 1);
	br_ssl_client_reset(&client, "localhost", 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(v[1]))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (void *)&to, sizeof to)) return 1;
	br_sslio_context io;
	br_sslio_init(&io, &client.eng, get, &fd, put, &fd);
	return br_sslio_flush(&io);
}
`
