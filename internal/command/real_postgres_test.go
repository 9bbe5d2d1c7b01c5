package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/advice"
)

// postgres is a real server on 127.0.0.1: whoever comes is let in, with TLS or without; into the database
// "secure" only with TLS.
type postgres struct {
	root      string // the folder that is its system's root; "" for this one's
	dir, addr string // dir is the data's, as seen from here
	cmd       *exec.Cmd
}

// nobody owns the files of a server that root starts, since PostgreSQL does not run as root.
const nobody = 65534

// startPostgres starts the distribution's server, with a certificate of a.
func startPostgres(t *testing.T, a authority) *postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "postgresql").CombinedOutput(); err != nil {
			t.Skipf("no PostgreSQL server: %v\n%s", err, out)
		}
		if found, err = filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); err != nil || len(found) == 0 {
			t.Fatal("the package has no server", err)
		}
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "tlsfloor-postgres-") // not the test's own, in which nobody else may look
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postgres{dir: filepath.Join(dir, "data")}
	p.start(t, a, bin)
	return p
}

// start makes the data's folder and runs the server whose programs are in bin.
func (p *postgres) start(t *testing.T, a authority, bin string) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Dir(p.dir), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	data := strings.TrimPrefix(p.dir, p.root)
	if out, err := p.command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "proof", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.certify(t, a)
	p.write(t, "pg_hba.conf", "hostssl secure all 127.0.0.1/32 trust\nhost postgres all 127.0.0.1/32 trust\n")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	l.Close()
	p.cmd = p.command(filepath.Join(bin, "postgres"), "-D", data, "-k", "", "-p", p.port(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "ssl=on", "-c", "ssl_min_protocol_version=TLSv1")
	piped(t, p.cmd)
	t.Cleanup(func() { p.cmd.Process.Signal(syscall.SIGINT) }) // a fast shutdown
	polled(t, "PostgreSQL answers", func() bool {
		_, err := p.certificate()
		return err == nil
	})
}

func (p *postgres) port() string { return p.addr[strings.LastIndexByte(p.addr, ':')+1:] }

// command prepares a program as the owner of the server's files.
func (p *postgres) command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}, "/"
	if p.root != "" {
		script := `mount --bind /dev "$0/dev" && exec chroot --userspec=` + fmt.Sprintf("%d:%d", nobody, nobody) + ` "$0" "$@"`
		cmd.Path, cmd.Args = "/usr/bin/unshare", append([]string{"unshare", "-m", "sh", "-c", script, p.root, path}, args...)
		return cmd
	}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

func (p *postgres) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(path+".new", nobody, nobody)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// certify gives it a certificate of a.
func (p *postgres) certify(t *testing.T, a authority) {
	t.Helper()
	cert, err := a.server()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	p.write(t, "server.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
}

// certificate is the one that the server shows.
func (p *postgres) certificate() (*x509.Certificate, error) {
	plain, err := net.DialTimeout("tcp4", p.addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 1)
	if _, err = plain.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err == nil { // SSLRequest
		_, err = plain.Read(answer)
	}
	if err == nil && answer[0] != 'S' {
		err = fmt.Errorf("answer %q", answer)
	}
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	return conn.ConnectionState().PeerCertificates[0], nil
}

// reload makes it read its files anew, and waits until it shows a certificate of a.
func (p *postgres) reload(t *testing.T, a authority) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	polled(t, "PostgreSQL shows its new certificate", func() bool {
		cert, err := p.certificate()
		return err == nil && cert.CheckSignatureFrom(a.cert) == nil
	})
}

// sessions connects with psycopg2 in every way that its arguments name, one line each, and prints what
// pg_stat_ssl says of the live session, or the error.
const sessions = `import psycopg2, sys
for line in sys.argv[1:]:
    try:
        connection = psycopg2.connect(line)
        with connection.cursor() as cursor:
            cursor.execute("SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            print(*cursor.fetchone())
        connection.close()
    except psycopg2.OperationalError as e:
        print(*str(e).split())
`

// sslModes is every sslmode against a real server, with what the server says of the session.
func (r *real) sslModes(t *testing.T, p *postgres, right, wrong string) {
	base := "hostaddr=127.0.0.1 port=" + p.port() + " user=proof dbname="
	const tls13, plain = "True TLSv1.3 TLS_AES_256_GCM_SHA384", "False None None"
	tests := []struct{ line, want string }{
		{base + "postgres host=localhost sslmode=disable", plain},
		{base + "postgres host=localhost sslmode=allow", plain},
		{base + "postgres host=localhost sslmode=prefer", tls13},
		{base + "postgres host=localhost", tls13},
		{base + "postgres host=localhost sslmode=require", tls13},
		{base + "postgres host=localhost sslmode=verify-ca sslrootcert=" + right, tls13},
		{base + "postgres host=elsewhere sslmode=verify-ca sslrootcert=" + right, tls13},
		{base + "postgres host=localhost sslmode=verify-ca sslrootcert=" + wrong, "SSL error: certificate verify failed"},
		{base + "postgres host=localhost sslmode=require sslrootcert=" + wrong, "SSL error: certificate verify failed"}, // it is verify-ca then
		{base + "postgres host=localhost sslmode=verify-full sslrootcert=" + right, tls13},
		{base + "postgres host=elsewhere sslmode=verify-full sslrootcert=" + right, `does not match host name "elsewhere"`},
		{base + "postgres host=localhost sslmode=verify-full sslrootcert=" + wrong, "SSL error: certificate verify failed"},
		{base + "postgres host=localhost sslmode=verify-full sslrootcert=/dev/null/none", "root certificate file"},
		{base + "postgres host=localhost sslmode=require ssl_max_protocol_version=TLSv1.2", "True TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"},
		{base + "secure host=localhost sslmode=disable", "no encryption"},
		{base + "secure host=localhost sslmode=allow", tls13},
		{base + "secure host=localhost sslmode=verify-full sslrootcert=" + right, tls13},
	}
	var args []string
	for _, test := range tests {
		args = append(args, test.line)
	}
	printed := r.with(t, nil, append([]string{python3, "-c", sessions}, args...)...)
	out := strings.Split(strings.TrimSpace(printed), "\n")
	for i, test := range tests {
		if i >= len(out) || !strings.Contains(out[i], test.want) {
			t.Errorf("%s: %q, want %q", test.line, out[min(i, len(out)-1)], test.want)
		}
	}
	for _, id := range []string{"CERTIFICATE_VERIFY_FAILED", "NO_ENCRYPTION", "ROOT_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED/hostname"} {
		said := slices.ContainsFunc(out, func(line string) bool { e := advice.Explain(line); return len(e) > 0 && e[0].ID == id })
		if !said {
			t.Errorf("no line is explained as %s:\n%s", id, printed)
		}
	}
	// The same by the environment, and with psql.
	line := "host=localhost " + base + "postgres"
	for _, test := range []struct {
		env  []string
		want string
	}{
		{[]string{"PGSSLMODE=verify-full", "PGSSLROOTCERT=" + right}, tls13},
		{[]string{"PGSSLMODE=verify-full", "PGSSLROOTCERT=" + wrong}, "SSL error: certificate verify failed"},
		{[]string{"PGSSLMODE=disable"}, plain},
	} {
		if got := r.with(t, test.env, python3, "-c", sessions, line); !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q", test.env, got, test.want)
		}
		want := map[string]string{tls13: "t|TLSv1.3|TLS_AES_256_GCM_SHA384", plain: "f||"}[test.want]
		if want == "" {
			want = test.want
		}
		psql := "/opt/python-with-min-tls1_2/bin/psql -XAt -c 'SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()' '" + line + "' 2>&1 || true"
		if got := r.with(t, test.env, "/bin/sh", "-c", psql); !strings.Contains(got, want) {
			t.Errorf("psql, %v: %q, want %q", test.env, got, want)
		}
	}
}

// jdbc is a Java program that connects as PostgreSQL's documentation of its driver says.
const jdbc = `import java.sql.*;
class Proof {
    public static void main(String[] a) throws Exception {
        try (Connection c = DriverManager.getConnection("jdbc:postgresql://localhost:" + a[0] + "/postgres?user=proof&sslmode=verify-full&sslrootcert=" + a[1]);
             ResultSet r = c.createStatement().executeQuery("SELECT 1")) {
            if (!r.next() || r.getInt(1) != 1) throw new Exception("no answer");
        }
    }
}
`

// pg8000 is the same with a client that is Python alone.
const pg8000 = `import pg8000.native, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
assert pg8000.native.Connection("proof", host="localhost", port=int(sys.argv[1]), database="postgres", ssl_context=context).run("SELECT 1") == [[1]]
`

// otherClients are programs that nothing is known of but what they send, through the judge's TLS to a real
// server.
func (r *real) otherClients(t *testing.T, p *postgres, next *pool) {
	const nine = "TLS floor 1.2: pass, 9 of 9 cases pass"
	try := func(name, command string) {
		t.Helper()
		if out, code := r.verify(t, "-client="+command, "-starttls=postgres", "-postgres="+p.addr); code != 0 || !strings.Contains(out, nine) {
			t.Errorf("%s: exit status %d\n%s", name, code, out)
		}
	}
	python := filepath.Join(r.site().Dir(1), "python", "bin")
	try("psql", filepath.Join(python, "psql")+` -XAtc 'SELECT 1' "host={host} hostaddr={addr} port={port} user=proof dbname=postgres sslmode=verify-full sslrootcert={ca}"`)
	program := filepath.Join(t.TempDir(), "connects.py")
	if err := os.WriteFile(program, []byte(pg8000), 0o644); err != nil {
		t.Fatal(err)
	}
	modules := next.unpacked(t, "python3-pg8000", "python3-scramp", "python3-asn1crypto", "python3-dateutil", "python3-six")
	try("pg8000", venv(t, filepath.Join(python, "python3"), modules)+" "+program+" {port} {ca}")
	// A client that verifies nothing is found out.
	out, code := r.verify(t, "-client="+filepath.Join(python, "psql")+` -XAtc 'SELECT 1' "host={host} hostaddr={addr} port={port} user=proof dbname=postgres sslmode=require"`, "-starttls=postgres", "-postgres="+p.addr)
	if code != 3 && code != 9 || !strings.Contains(out, "trust-untrusted") || strings.Contains(out, nine) {
		t.Errorf("psql with sslmode=require: exit status %d\n%s", code, out)
	}
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("no Java here: JDBC is not tried")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Proof.java"), []byte(jdbc), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("javac", "-d", dir, filepath.Join(dir, "Proof.java")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	jars := next.rooted(t, "libpostgresql-jdbc-java", "libscram-java", "libstringprep-java")
	try("JDBC", "java -cp '"+filepath.Join(jars, "usr/share/java/*")+":"+dir+"' Proof {port} {ca}")
}

// postgresClients is the optional set: psql and psycopg2 against a real server, and through the judge.
func (r *real) postgresClients(t *testing.T, next *pool) {
	right, err := newAuthority("PostgreSQL's CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := newAuthority("another CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, a := range map[string]authority{"right": right, "wrong": wrong} {
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), a.pem(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := startPostgres(t, right)
	if out, err := p.command("/bin/sh", "-c", fmt.Sprintf("%s/psql -h 127.0.0.1 -p %s -U proof -c 'CREATE DATABASE secure' postgres", filepath.Dir(p.cmd.Path), p.port())).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.sslModes(t, p, filepath.Join(dir, "right.pem"), filepath.Join(dir, "wrong.pem"))
	python := filepath.Join(r.site().Dir(1), "python", "bin", "python3")
	r.triesItsClients(t)
	proof := r.proof(t, 0, "-python="+python, "-libraries=psycopg2,psql", "-postgres="+p.addr)
	if met := explainsAll(t, proof); !met["SERVER_WITHOUT_TLS"] || !met["CERTIFICATE_VERIFY_FAILED/hostname"] {
		t.Errorf("explained: %v", met)
	}
	r.otherClients(t, p, next)
	t.Run("direct TLS", func(t *testing.T) {
		r.directTLS(t, p, next, right, filepath.Join(dir, "right.pem"), filepath.Join(dir, "wrong.pem"))
	})
}

// triesItsClients: the tree's own proof holds psycopg2 and psql to the floor, with no server on this machine.
// A proof that leaves them out is not taken.
func (r *real) triesItsClients(t *testing.T) {
	t.Helper()
	site := r.site()
	g, err := site.Generation(1)
	if err != nil {
		t.Fatal(err)
	}
	own, err := site.Proof(g)
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]int{}
	for _, f := range own.Findings {
		if library := f.Case.Offer.Setup.Library; library != "" && f.Status != verify.Fail {
			passed[string(library)]++
		}
	}
	if passed["psql"] != 22 || passed["psycopg2"] != 22 || !own.Complete() {
		t.Errorf("its own proof has %v, %s", passed, own.Summary())
	}
	without := *own
	without.Libraries = nil
	without.Findings = slices.DeleteFunc(slices.Clone(own.Findings), func(f verify.Finding) bool {
		return f.Case.Offer.Setup.Library != ""
	})
	prove := func(p *verify.Proof) error {
		judge := func(context.Context, deploy.Generation) (*verify.Proof, error) { return p, nil }
		_, _, err := deploy.Prove(t.Context(), deploy.Candidate{Site: site, Generation: g}, judge)
		return err
	}
	err = prove(&without)
	if err == nil || !strings.Contains(err.Error(), "its proof did not try psycopg2") {
		t.Errorf("a proof without its clients: %v", err)
	}
	if err := prove(own); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// polled waits until done says so, 30 s at most.
func polled(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: not within 30 s", what)
}
