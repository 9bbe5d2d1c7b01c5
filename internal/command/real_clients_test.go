package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

// The packages of the client libraries, with what they need. None brings a TLS of its own.
var (
	clientPackages = strings.Fields("python3-urllib3 python3-botocore python3-boto3 python3-s3transfer python3-jmespath python3-dateutil python3-six python3-pymongo python3-bson " +
		"python3-dnspython python3-requests python3-idna python3-certifi python3-chardet")
	// What pymongo[ocsp] is made of; cryptography is linked to the host's OpenSSL.
	ocspPackages = strings.Fields("python3-openssl python3-cryptography python3-service-identity python3-attr python3-pyasn1 python3-pyasn1-modules")
)

// passed is the verdict on a Python with libraries whose residuals are known: every case passes or warns.
var passed = regexp.MustCompile(`(?m)^TLS floor 1\.2: pass, \d+ of \d+ cases pass, 4 warned$`)

// clients holds the client libraries that people run to the floor, on the built Python: Debian's packages of
// an older and of a newer suite, and a real server of MongoDB's protocol. The host's Python is the control,
// with the same packages.
func (r *real) clients(t *testing.T) {
	python := filepath.Join(r.site().Dir(1), "python", "bin", "python3")
	db := ferretDB(t)
	mongo := "-mongodb=" + db
	const all = "-libraries=urllib3,botocore,pymongo"
	stable, next := newPool(t, "bookworm"), newPool(t, "trixie")
	newest := venv(t, python, next.unpacked(t, clientPackages...))
	older := venv(t, python, stable.unpacked(t, clientPackages...))
	for name, p := range map[string]string{"bookworm's": older, "trixie's": newest} {
		out, code := r.verify(t, "-python="+p, all, mongo)
		if code != 0 || !passed.MatchString(out) || !strings.Contains(out, "library: pymongo ") {
			t.Errorf("%s packages: exit status %d\n%s", name, code, out)
		}
	}
	t.Run("errors", func(t *testing.T) { r.libraryErrors(t, python, newest, mongo) })
	t.Run("host", func(t *testing.T) { r.hostsLibraries(t, next.unpacked(t, clientPackages...), all, mongo) })
	t.Run("ocsp", func(t *testing.T) { r.mongoOCSP(t, python, stable, next, mongo) })
	t.Run("explained", func(t *testing.T) {
		met := explainsAll(t, r.proof(t, 0, "-python="+newest, all, mongo))
		for _, id := range []string{"TLSV1_ALERT_PROTOCOL_VERSION", "PEM_LIB", "SSLV3_ALERT_HANDSHAKE_FAILURE", "CERTIFICATE_VERIFY_FAILED/unknown CA", "CERTIFICATE_VERIFY_FAILED/expired", "CERTIFICATE_VERIFY_FAILED/not yet valid", "CERTIFICATE_VERIFY_FAILED/revoked", "CERTIFICATE_VERIFY_FAILED/hostname"} {
			if !met[id] {
				t.Errorf("no client said what is explained as %s: %v", id, met)
			}
		}
		r.explainHand(t, newest)
	})
	t.Run("by hand", func(t *testing.T) { r.sdkByHand(t, newest) })
}

// postgres is the optional set of that name: a Python with psql and psycopg2. It is not optimised, which
// takes minutes and which all other parts try.
func (r *real) postgres(t *testing.T) {
	pg := &real{t: t, root: filepath.Join(t.TempDir(), "image"), store: r.store}
	pg.tlsfloor(t, "build", "-with=postgres", "-optimize=none")
	next := newPool(t, "trixie")
	t.Run("clients", func(t *testing.T) { pg.postgresClients(t, next) })
	t.Run("rotation", func(t *testing.T) { pg.rotated(t, next, ferretDB(t)) })
}

// libraryErrors are wrong flags: they are told before anything is built or tried.
func (r *real) libraryErrors(t *testing.T, python, venv, mongo string) {
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"-python=" + python, "-libraries=urllib3"}, 2}, // it has none
		{[]string{"-python=" + venv, "-libraries=pymongo[ocsp]", mongo}, 2},
		{[]string{"-python=" + venv, "-libraries=pymongo"}, 2},
		{[]string{"-python=" + venv, "-libraries=pymongo", "-mongodb=192.0.2.1:27017"}, 2},
		{[]string{"-python=" + venv, "-libraries=urllib3", mongo}, 2},
		{[]string{"-python=" + venv, "-libraries=nosuch"}, 2},
		{[]string{"-libraries=urllib3"}, 2},
	} {
		if out, code := r.verify(t, test.args...); code != test.code || out != "" {
			t.Errorf("verify %q: exit status %d, not %d\n%s", test.args, code, test.code, out)
		}
	}
}

// hostsLibraries is the control: the same packages on a Python without a floor go below it, and the proof
// names where.
func (r *real) hostsLibraries(t *testing.T, packages string, args ...string) {
	const host = "/usr/bin/python3"
	if exec.Command(host, "-c", "import ssl; assert ssl.HAS_TLSv1_1").Run() != nil {
		t.Skip("the host has no Python with TLS 1.1")
	}
	failed := cases(r.proof(t, 3, append(args, "-python="+venv(t, host, packages))...), verify.Fail)
	for _, library := range []string{"urllib3", "botocore", "mongo"} {
		for _, low := range []string{"-tls11-perm", "-tls10-perm"} {
			if !slices.Contains(failed, library+low) {
				t.Errorf("%s%s does not fail on the host's Python: %v", library, low, failed)
			}
		}
	}
}

// mongoOCSP is PyMongo with its extra: revocation is seen, and the floor is gone, since another OpenSSL does
// all of its TLS.
func (r *real) mongoOCSP(t *testing.T, python string, stable, next *pool, mongo string) {
	if exec.Command("/bin/sh", "-c", "ls /usr/lib/*/libssl.so.3").Run() != nil {
		t.Skip("the packages of cryptography want the host's libssl.so.3")
	}
	p := venv(t, python, next.unpacked(t, append(ocspPackages, clientPackages...)...))
	buildCFFI(t, p, stable)
	proof := r.proof(t, 3, "-python="+p, "-libraries=pymongo[ocsp]", mongo)
	if !explainsAll(t, proof)["INVALID_STATUS_RESPONSE"] {
		t.Error("PyMongo never says what is explained as INVALID_STATUS_RESPONSE")
	}
	want := strings.Fields("mongo-ocsp-tls13 mongo-ocsp-tls12 mongo-ocsp-tls11 mongo-ocsp-tls11-perm mongo-ocsp-tls10 mongo-ocsp-tls10-perm")
	if failed := cases(proof, verify.Fail); !slices.Equal(failed, want) || len(cases(proof, verify.Unproven)) > 0 {
		t.Errorf("failed %v, not %v; unproven %v", failed, want, cases(proof, verify.Unproven))
	}
}

// proof holds something to the floor, with this exit status.
func (r *real) proof(t *testing.T, code int, args ...string) *verify.Proof {
	t.Helper()
	out, got := r.verify(t, append(args, "-json")...)
	var result tried
	if err := json.Unmarshal([]byte(out), &result); err != nil || got != code {
		if result.Proof != nil {
			t.Logf("failed %v, unproven %v", cases(result.Proof, verify.Fail), cases(result.Proof, verify.Unproven))
		}
		t.Fatalf("exit status %d, not %d, %v: %.300s", got, code, err, out)
	}
	return result.Proof
}

// cases names those of a status.
func cases(p *verify.Proof, s verify.Status) (names []string) {
	for _, f := range p.Findings {
		if f.Status == s {
			names = append(names, f.Case.Name)
		}
	}
	return names
}

// check is what people write to see what their SDK speaks.
const check = `import sys, urllib3
http = urllib3.PoolManager(ca_certs=sys.argv[1], cert_reqs="CERT_REQUIRED")
print(http.request("GET", sys.argv[2], retries=False).data.decode())
`

// sdk makes the first calls of everybody with boto3.
const sdk = `import boto3, sys
kinds = [boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1") for name in ("sts", "s3")]
print(kinds[0].get_caller_identity()["Arn"], [b["Name"] for b in kinds[1].list_buckets()["Buckets"]])
`

// sdkByHand is what people do to see that their SDK speaks TLS 1.2, on `serve` and on the built s_server.
func (r *real) sdkByHand(t *testing.T, python string) {
	run := func(program string, args ...string) string {
		cmd := exec.Command(python, append([]string{"-c", program}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_MAX_ATTEMPTS=1", "HOME=" + t.TempDir()}
		if program == sdk {
			cmd.Env = append(cmd.Env, "AWS_CA_BUNDLE="+args[1])
		}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	ca, urls := r.serving(t)
	for _, test := range []struct{ got, want string }{
		{run(check, ca, urls["any"]), "    Protocol  : TLSv1.3\n"},
		{run(check, ca, urls["tls12"]), "    Protocol  : TLSv1.2\n"},
		{run(check, ca, urls["tls11"]), "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]"},
		{run(check, ca, urls["cert-untrusted"]), "[SSL: CERTIFICATE_VERIFY_FAILED]"},
		{run(sdk, urls["any"], ca), "arn:aws:iam::123456789012:user/example ['ok']\n"},
		{run(sdk, urls["tls12"], ca), "arn:aws:iam::123456789012:user/example ['ok']\n"},
		{run(sdk, urls["tls11"], ca), "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]"},
		{run(sdk, urls["tls10"], ca), "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]"},
	} {
		if !strings.Contains(test.got, test.want) {
			t.Errorf("it prints\n%s\nand not %q", test.got, test.want)
		}
	}
	openssl := filepath.Join(r.site().Dir(1), "openssl", "bin", "openssl")
	addr, cert := r.page(t, openssl)
	if got := run(check, cert, "https://localhost:"+addr[strings.LastIndexByte(addr, ':')+1:]+"/"); !regexp.MustCompile(`(?m)^\s*Protocol\s*: TLSv1\.3$`).MatchString(got) {
		t.Errorf("the built s_server: %s", got)
	}
}

// serving runs `serve`, and returns its CA file and the URL of each scenario.
func (r *real) serving(t *testing.T) (ca string, urls map[string]string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(program, "serve", "-only=any,tls12,tls11,tls10,cert-untrusted", "-json", "-out="+dir)
	out := piped(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	var table struct {
		Scenarios []struct{ Name, URL string }
	}
	if err == nil {
		err = json.Unmarshal([]byte(line), &table)
	}
	if err != nil || len(table.Scenarios) != 5 {
		t.Fatalf("serve says %q, %v", line, err)
	}
	go io.Copy(io.Discard, out)
	urls = map[string]string{}
	for _, s := range table.Scenarios {
		urls[s.Name] = s.URL
	}
	return filepath.Join(dir, "ca.pem"), urls
}

// piped starts a command that is ended with the test, and returns its standard output.
func piped(t *testing.T, cmd *exec.Cmd) io.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		if t.Failed() {
			text := said.String()
			t.Log(text[max(0, len(text)-4096):])
		}
	})
	return out
}

// ferretDB builds a server that speaks MongoDB's protocol, starts it, and returns its address.
func ferretDB(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-tags", "ferretdb_no_postgresql", "-o", filepath.Join(dir, "ferretdb"), ".")
	build.Dir = filepath.Join("testdata", "ferretdb")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(filepath.Join(dir, "ferretdb"), dir)
	hold, err := cmd.StdinPipe() // it ends with its standard input
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hold.Close() })
	line, err := bufio.NewReader(piped(t, cmd)).ReadString('\n')
	uri, parseErr := url.Parse(strings.TrimSpace(line))
	if err != nil || parseErr != nil || uri.Host == "" {
		t.Fatalf("FerretDB says %q, %v", line, err)
	}
	return uri.Host
}

// venv makes a virtual environment with the modules in packages, and returns its interpreter.
func venv(t *testing.T, python, packages string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command(python, "-m", "venv", "--without-pip", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "lib", "python3*", "site-packages"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if out, err := exec.Command("cp", "-a", packages+"/.", found[0]).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "bin", "python3")
}

// buildCFFI compiles cffi's extension module for a Python that the packages have none for: what a newer suite
// has wants a newer libc, and the older source one name that Python 3.13 has no longer.
func buildCFFI(t *testing.T, python string, p *pool) {
	t.Helper()
	const program = `import sysconfig; print(sysconfig.get_path("include"), sysconfig.get_path("platlib"), sysconfig.get_config_var("EXT_SUFFIX"))`
	out, err := exec.Command(python, "-c", program).Output()
	at := strings.Fields(string(out))
	if err != nil || len(at) != 3 {
		t.Fatalf("%s, %v", out, err)
	}
	ffi, source := p.rooted(t, "libffi-dev"), p.source(t, "python-cffi")
	script := fmt.Sprintf(`cc -shared -fPIC -O1 -w -DUSE__THREAD '-D_PyErr_WriteUnraisableMsg(text,object)=PyErr_FormatUnraisable("Exception ignored %%s %%S",text,object)' \
-I%s -I%s/usr/include/* -I%s/c %s/c/_cffi_backend.c %s/usr/lib/*/libffi_pic.a -o %s/_cffi_backend%s`, at[0], ffi, source, source, ffi, at[1], at[2])
	if out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// page starts the built s_server with its page, and returns its address and certificate.
func (r *real) page(t *testing.T, openssl string, more ...string) (addr, cert string) {
	t.Helper()
	dir := t.TempDir()
	key := exec.Command(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem")
	key.Dir = dir
	if out, err := key.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(openssl, append([]string{"s_server", "-www", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem"}, more...)...)
	cmd.Dir = dir
	lines := bufio.NewScanner(piped(t, cmd))
	for lines.Scan() {
		if after, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			go func() {
				for lines.Scan() {
				}
			}()
			return strings.TrimSpace(after), filepath.Join(dir, "cert.pem")
		}
	}
	t.Fatal("s_server does not say where it listens")
	return "", ""
}
