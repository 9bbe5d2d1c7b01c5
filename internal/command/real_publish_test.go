package command

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
)

// publish publishes the bundle to a folder and to two registries, and installs it from there.
func (b *bundled) publish(t *testing.T) {
	t.Run("folder", b.toFolder)
	t.Run("distribution", b.toDistribution)
	t.Run("referrers", b.toReferrers)
	t.Run("killed", b.killedUpload)
}

// other is a bundle of other bytes and the same name, signed as well.
func (b *bundled) other(t *testing.T) string {
	s := &spoiled{b, b.copyOf(t)}
	s.write(t, bundle.LicencesFile, append(s.read(t, bundle.LicencesFile), '\n'))
	s.resign(t)
	return s.dir
}

func (b *bundled) toFolder(t *testing.T) {
	to, key := filepath.Join(t.TempDir(), "share"), "-key="+b.file("key.pub.pem")
	at := filepath.Join(to, filepath.Base(b.dir))
	for _, says := range []string{at + ": published, and read back", at + ": was published before, and was read back"} {
		if out := b.tlsfloor(t, 0, "publish", b.dir, "-to="+to, key); !strings.Contains(out, says) {
			t.Errorf("it says\n%s", out)
		}
	}
	if out := b.tlsfloor(t, 1, "publish", b.other(t), "-to="+to, key); !strings.Contains(out, "holds something else") {
		t.Errorf("other bytes: it says\n%s", out)
	}
	if out := b.tlsfloor(t, 6, "publish", b.dir, "-to="+filepath.Join(to, "more"), "-key="+b.file("other.pub.pem")); !strings.Contains(out, "no trusted key") {
		t.Errorf("another key: it says\n%s", out)
	}
	b.tlsfloor(t, 0, "bundle:verify", at, key)
	if names, err := os.ReadDir(to); err != nil || len(names) != 1 {
		t.Errorf("in the folder: %v, %v", names, err)
	}
}

// registry is one that runs here.
type registry struct {
	url string // http://127.0.0.1:port or https://localhost:port
	cmd *exec.Cmd
}

// distribution starts the distribution's docker-registry; with a CA it speaks TLS, and wants a login.
func distribution(t *testing.T, a *authority) registry {
	t.Helper()
	exe, err := exec.LookPath("docker-registry")
	if err != nil {
		if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "docker-registry").CombinedOutput(); err != nil {
			t.Skipf("no registry: %v\n%s", err, out)
		}
		if exe, err = exec.LookPath("docker-registry"); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	conf := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nlog: {level: error}\nhttp:\n  addr: %s\n", filepath.Join(dir, "data"), addr)
	r := registry{url: "http://" + addr}
	if a != nil {
		cert, err := a.server()
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
			"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})),
			"htpasswd": "us:" + string(hash) + "\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		conf += fmt.Sprintf("  tls: {certificate: %s/cert.pem, key: %s/key.pem}\nauth: {htpasswd: {realm: tests, path: %s/htpasswd}}\n", dir, dir, dir)
		r.url = "https://localhost:" + addr[strings.LastIndexByte(addr, ':')+1:]
	}
	if err := os.WriteFile(filepath.Join(dir, "conf.yml"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(exe, "serve", filepath.Join(dir, "conf.yml"))
	piped(t, r.cmd)
	polled(t, "the registry answers", func() bool {
		c, err := net.Dial("tcp4", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return r
}

// address is a repository's for tlsfloor.
func (r registry) address(repository string) string {
	return strings.NewReplacer("https://", "oci://", "http://", "oci+http://").Replace(r.url) + "/" + repository
}

// tags lists those of a repository that are versions.
func (r registry) tags(t *testing.T, repository string) []string {
	t.Helper()
	resp, err := http.Get(r.url + "/v2/" + repository + "/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Tags []string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Tags, func(tag string) bool { return strings.HasPrefix(tag, "sha256-") }) // where referrers are kept without an API for them
}

// toDistribution logs in over TLS with a CA of our own, at a registry without the referrers API.
func (b *bundled) toDistribution(t *testing.T) {
	a, err := newAuthority("the registry's CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	r := distribution(t, &a)
	to, key := r.address("tools/python:1"), "-key="+b.file("key.pub.pem")
	publish := func(code int, says, login string, ca []byte, args ...string) {
		t.Helper()
		config := t.TempDir()
		text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, strings.TrimPrefix(r.url, "https://"), base64.StdEncoding.EncodeToString([]byte(login)))
		if login == "" {
			text = "{}"
		}
		if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.file("web.pem"), ca, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DOCKER_CONFIG", config)
		if out := b.tlsfloor(t, code, args...); !strings.Contains(out, says) {
			t.Errorf("%v as %q: it says\n%s", args, login, out)
		}
	}
	other, err := newAuthority("another CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	up := []string{"publish", b.dir, "-to=" + to, key}
	publish(1, "hint: name the registry's own CA with SSL_CERT_FILE", "us:secret", other.pem(), up...)
	publish(1, "hint: log in first: docker login localhost:", "", a.pem(), up...)
	publish(1, "hint: log in first", "us:wrong", a.pem(), up...)
	publish(0, to+": published, and read back", "us:secret", a.pem(), up...)
	publish(0, to+": was published before", "us:secret", a.pem(), up...)
	publish(1, "holds something else", "us:secret", a.pem(), "publish", b.other(t), "-to="+to, key)
	root := b.file("from-registry")
	publish(0, "generation 1 is in use", "us:secret", a.pem(), "install", "-from="+to, key, "-root="+root)
	publish(6, "no trusted key made this signature", "us:secret", a.pem(), "install", "-from="+to, "-key="+b.file("other.pub.pem"), "-root="+b.file("not-from-registry"))
	publish(1, "not found", "us:secret", a.pem(), "install", "-from="+r.address("tools/python:2"), key, "-root="+root)
	publish(2, "it has no tag", "us:secret", a.pem(), "install", "-from="+r.address("tools/python"), key, "-root="+root)
	publish(2, "http to another machine", "", a.pem(), "publish", b.dir, "-to=oci+http://registry.example/tools/python:1", key)
}

// toReferrers publishes to a registry with the referrers API, and looks at what it says.
func (b *bundled) toReferrers(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "registry")
	build := exec.Command("go", "build", "-o", exe, ".")
	build.Dir = filepath.Join("testdata", "registry")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := registry{cmd: exec.Command(exe)}
	line, err := bufio.NewReader(piped(t, r.cmd)).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + strings.TrimSpace(line)
	b.tlsfloor(t, 0, "publish", b.dir, "-to="+r.address("python"), "-key="+b.file("key.pub.pem"))
	tag := strings.TrimPrefix(filepath.Base(b.dir), "tlsfloor-")
	if tags := r.tags(t, "python"); !slices.Equal(tags, []string{tag}) {
		t.Errorf("tags: %v", tags)
	}
	resp, err := http.Head(r.url + "/v2/python/manifests/" + tag)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err = http.Get(r.url + "/v2/python/referrers/" + resp.Header.Get("Docker-Content-Digest")); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Manifests []struct{ Digest string } }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, m := range list.Manifests {
		resp, err := http.Get(r.url + "/v2/python/manifests/" + m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		var manifest struct{ ArtifactType string }
		if err := json.NewDecoder(resp.Body).Decode(&manifest); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		kinds = append(kinds, manifest.ArtifactType)
	}
	want := []string{publish.SBOMType, publish.ProvenanceType, publish.ProofType, publish.SignatureType}
	if slices.Sort(kinds); !slices.Equal(kinds, slices.Sorted(slices.Values(want))) {
		t.Errorf("the referrers are %v", kinds)
	}
	root := b.file("from-referrers")
	if out := b.tlsfloor(t, 0, "install", "-from="+r.address("python:"+tag), "-key="+b.file("key.pub.pem"), "-root="+root); !strings.Contains(out, "generation 1 is in use") {
		t.Errorf("it says\n%s", out)
	}
}

// killedUpload kills the program while the registry takes a large file: no version is there; the next try
// publishes it.
func (b *bundled) killedUpload(t *testing.T) {
	r := distribution(t, nil)
	behind, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{})
	release := make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(behind)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Directions to the uploads name the registry by the address that was asked.
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.ContentLength > 10<<20 {
			io.CopyN(io.Discard, req.Body, 1<<20)
			close(reached)
			<-release
			return
		}
		proxy.ServeHTTP(w, req)
	})}
	go front.Serve(l)
	defer front.Close()
	args := []string{"publish", b.dir, "-key=" + b.file("key.pub.pem"), "-store=" + b.file("store"), "-to="}
	cmd := exec.Command(program, append(args[:4:4], "-to=oci+http://"+l.Addr().String()+"/python:1")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	cmd.Process.Kill()
	cmd.Wait()
	close(release)
	if tags := r.tags(t, "python"); len(tags) > 0 {
		t.Errorf("after the kill there is %v", tags)
	}
	out := b.tlsfloor(t, 0, append(args[:4:4], "-to="+r.address("python:1"))...)
	if !strings.Contains(out, "published, and read back") || strings.Contains(out, "uploading SHA256SUMS\n") {
		t.Errorf("the next try says\n%s", out)
	}
	if tags := r.tags(t, "python"); !slices.Equal(tags, []string{"1"}) {
		t.Errorf("tags: %v", tags)
	}
}
