package command

import (
	"bytes"
	"crypto"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// upstream publishes signed versions of a component on loopback.
type upstream struct {
	*httptest.Server
	entity *openpgp.Entity
	files  map[string][]byte
	start  time.Time // of the first release
	signed int       // releases, each a second after the one before
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{files: map[string][]byte{}, start: time.Now().Add(-time.Hour)}
	var err error
	if u.entity, err = openpgp.NewEntity("Somebody", "", "somebody@localhost", &packet.Config{
		DefaultHash: crypto.SHA512, RSABits: 2048, Algorithm: packet.PubKeyAlgoRSA,
		Time: func() time.Time { return u.start.Add(-time.Hour) },
	}); err != nil {
		t.Fatal(err)
	}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := u.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	t.Cleanup(u.Close)
	return u
}

// publish adds a version, signed by who.
func (u *upstream) publish(t *testing.T, v string, who *openpgp.Entity) {
	t.Helper()
	u.signed++
	u.put(t, v, "tiny-"+v, who, u.start.Add(time.Duration(u.signed)*time.Second))
}

// put adds a version whose archive has the folder, signed by who at that time.
func (u *upstream) put(t *testing.T, v, folder string, who *openpgp.Entity, at time.Time) {
	t.Helper()
	dir := t.TempDir() // two versions never have the same bytes: what was signed once would stay signed
	err := os.MkdirAll(filepath.Join(dir, folder), 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, folder, "VERSION"), []byte(v), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tar", "-czf", "-", "-C", dir, ".")
	data, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var sig bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&sig, who, bytes.NewReader(data), &packet.Config{
		DefaultHash: crypto.SHA512, Time: func() time.Time { return at },
	}); err != nil {
		t.Fatal(err)
	}
	u.serve(v, data, sig.Bytes())
}

// serve lists a version, and has these bytes for it.
func (u *upstream) serve(v string, data, sig []byte) {
	file := "tiny-" + v + ".tar.gz"
	u.files["/tiny/"+file], u.files["/tiny/"+file+".asc"] = data, sig
	u.files["/tiny/"] = append(u.files["/tiny/"],
		fmt.Sprintf("<a href=%q>tiny</a>\n<a href=%q>its signature</a>\n", file, file+".asc")...)
}

// recipes writes a folder of recipes that pins version 1.0.0.
func (u *upstream) recipes(t *testing.T) string {
	t.Helper()
	fpr := fmt.Sprintf("%X", u.entity.PrimaryKey.Fingerprint)
	var key bytes.Buffer
	w, err := armor.Encode(&key, openpgp.PublicKeyType, nil)
	if err == nil {
		err = u.entity.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	data := u.files["/tiny/tiny-1.0.0.tar.gz"]
	text := fmt.Sprintf(tinyRecipe, digest.Of(data), len(data))
	text = strings.Replace(text, "        signature: none\n        unsigned: a test has no key\n", "        signature:\n          file: tiny-1.0.0.tar.gz.asc\n          urls: ["+u.URL+"/tiny/tiny-1.0.0.tar.gz.asc]\n          key: "+fpr+"\n", 1)
	text = strings.Replace(text, "https://tiny.example/tiny-1.0.0", u.URL+"/tiny/tiny-1.0.0", 1)
	dir := t.TempDir()
	for name, text := range map[string]string{"tiny.yaml": text, "profiles/tiny.yaml": strings.Replace(tinyProfile, "{tiny: 1.0.0}", "\n  tiny: 1.0.0", 1), "keys/" + fpr + ".asc": key.String()} {
		err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contents are the names and texts of a folder's files.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(text))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestBump finds what upstream has published, takes what its key has signed, and leaves what another has.
func TestBump(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, "1.0.0", u.entity)
	bump := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"bump", "-profile=tiny", "-wait=0", "-store=" +
			filepath.Join(t.TempDir(), "store")}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+t.TempDir()) // without apt
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("exit status %d, want %d: %v\n%s", got, want, err, out)
		}
		return string(out)
	}
	dir := u.recipes(t)
	if out := bump(0, "-out="+dir); !strings.Contains(out, "1.0.0          the newest") {
		t.Errorf("it says\n%s", out)
	}
	u.publish(t, "1.0.1", u.entity)
	u.publish(t, "1.1.0", u.entity)
	u.publish(t, "1.1.0rc1", u.entity)
	// One of its files cannot be written: none is.
	inTheWay, was := filepath.Join(dir, "profiles", "tiny.yaml.new"), contents(t, dir)
	if err := os.Mkdir(inTheWay, 0o755); err != nil {
		t.Fatal(err)
	}
	if out := bump(1, "-out="+dir); !strings.Contains(out, "hint: nothing was changed") {
		t.Errorf("it says\n%s", out)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); got != was {
		t.Errorf("it has changed\n%s\nto\n%s", was, got)
	}
	if out := bump(0, "-out="+dir); !strings.Contains(out, "-> 1.0.1  upstream's signature of ") || !strings.Contains(out, "of another series: 1.1.0") || !strings.Contains(out, "profiles/tiny.yaml") {
		t.Errorf("it says\n%s", out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "tiny.yaml"))
	if err != nil || !strings.Contains(string(text), "sha256: "+digest.Of(u.files["/tiny/tiny-1.0.1.tar.gz"]).String()) || !strings.Contains(string(text), "  - version: 1.0.0\n") {
		t.Errorf("%v: the recipe is\n%s", err, text)
	}
	if out := bump(0, "-out="+dir); !strings.Contains(out, "1.0.1          the newest") {
		t.Errorf("a second time it says\n%s", out)
	}
	stranger := newUpstream(t)
	u.publish(t, "1.0.2", stranger.entity)
	before := string(text)
	if out := bump(6, "-out="+dir); !strings.Contains(out, "left as it is; refused: 1.0.2") ||
		!strings.Contains(out, "not by the pinned") {
		t.Errorf("of a stranger's it says\n%s", out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "tiny.yaml")); err != nil || string(text) != before {
		t.Errorf("%v: it has written\n%s", err, text)
	}
	u.Close()
	if out := bump(1, "-out="+dir); !strings.Contains(out, "not known: no place") {
		t.Errorf("without a network it says\n%s", out)
	}
	bump(2, "-out="+dir, "-component=nothing")
	bump(2, "-out="+filepath.Join(dir, "nowhere"))
}

// TestBumpWaits: a release of today waits, one that is listed and not there is named, and neither keeps an
// older one away; a page that lists a hundred is not followed for ever.
func TestBumpWaits(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, "1.0.0", u.entity)
	dir := u.recipes(t)
	st := filepath.Join(t.TempDir(), "store")
	bump := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"bump", "-profile=tiny", "-out=" + dir, "-store=" +
			st}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+t.TempDir()) // without apt
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("exit status %d, want %d: %v\n%s", got, want, err, out)
		}
		return string(out)
	}
	u.publish(t, "1.0.1", u.entity)
	if out := bump(0); !strings.Contains(out, "1.0.0          left as it is; waits: 1.0.1 of ") {
		t.Errorf("of a release of today it says\n%s", out)
	}
	if out := bump(2, "-wait=-1h"); !strings.Contains(out, "less than nothing") {
		t.Errorf("it says\n%s", out)
	}
	for _, v := range []string{"1.0.9", "1.0.8"} {
		u.files["/tiny/"] = append(u.files["/tiny/"], fmt.Sprintf("<a href=%q>tiny</a>\n",
			"tiny-"+v+".tar.gz")...)
	}
	if out := bump(0, "-wait=0"); !strings.Contains(out, "-> 1.0.1  upstream's signature of ") ||
		!strings.Contains(out,
			"; listed, and nowhere to be had: 1.0.9; listed, and nowhere to be had: 1.0.8") {
		t.Errorf("of releases that are not there it says\n%s", out)
	}
	// A stranger's release is refused by name and status, and what upstream has signed is still taken.
	u.publish(t, "1.0.2", u.entity)
	u.publish(t, "1.0.3", newUpstream(t).entity)
	if out := bump(6, "-wait=0"); !strings.Contains(out, "-> 1.0.2  upstream's signature of ") ||
		!strings.Contains(out, "; refused: 1.0.3: ") {
		t.Errorf("of a stranger's it says\n%s", out)
	}
	for i := range 100 {
		u.files["/tiny/"] = append(u.files["/tiny/"], fmt.Sprintf("<a href=%q>tiny</a>\n",
			fmt.Sprintf("tiny-1.0.%d.tar.gz", 100+i))...)
	}
	if out := bump(0, "-wait=0"); strings.Count(out, "nowhere to be had") != maxTried {
		t.Errorf("of a hundred that are not there it says\n%s", out)
	}
}

// TestBumpBindsTheVersion: what upstream has signed under one number is refused under a newer one.
func TestBumpBindsTheVersion(t *testing.T) {
	for name, c := range map[string]struct {
		publish func(t *testing.T, u *upstream)
		code    int
		says    string // "": it is taken
	}{
		"an old release's bytes": {func(t *testing.T, u *upstream) {
			u.publish(t, "0.9.9", u.entity)
			u.serve("1.0.9", u.files["/tiny/tiny-0.9.9.tar.gz"], u.files["/tiny/tiny-0.9.9.tar.gz.asc"])
		}, 6, `its files are in the folder "tiny-0.9.9", which is not of version 1.0.9`},
		"the pinned one's bytes": {func(t *testing.T, u *upstream) {
			u.serve("1.0.9", u.files["/tiny/tiny-1.0.0.tar.gz"], u.files["/tiny/tiny-1.0.0.tar.gz.asc"])
		}, 5, "its bytes are those of tiny 1.0.0"},
		"an older signature": {func(t *testing.T, u *upstream) {
			u.put(t, "1.0.9", "tiny-1.0.9", u.entity, u.start)
		}, 6, "it was signed at "},
		"one of the same second": {func(t *testing.T, u *upstream) {
			u.put(t, "1.0.9", "tiny-1.0.9", u.entity, u.start.Add(time.Second))
		}, 6, "it was signed at "},
		"no folder": {func(t *testing.T, u *upstream) {
			u.put(t, "1.0.9", ".", u.entity, u.start.Add(time.Minute))
		}, 6, "nothing in it says that it is version 1.0.9: its files are in no folder of their own"},
		"another project's": {func(t *testing.T, u *upstream) {
			u.put(t, "1.0.9", "minute-1.0.9", u.entity, u.start.Add(time.Minute))
		}, 6, `its files are in the folder "minute-1.0.9"`},
		"the pinned one is gone": {func(t *testing.T, u *upstream) {
			u.publish(t, "1.0.9", u.entity)
			delete(u.files, "/tiny/tiny-1.0.0.tar.gz")
		}, 0, "the age of its signature is not compared with that of tiny 1.0.0"},
		"a new one": {func(t *testing.T, u *upstream) {
			u.publish(t, "1.0.9", u.entity)
		}, 0, "-> 1.0.9  upstream's"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.publish(t, "1.0.0", u.entity)
			dir := u.recipes(t)
			u.publish(t, "1.0.1", u.entity) // which is to be taken all the same
			c.publish(t, u)
			cmd := exec.Command(program, "bump", "-profile=tiny", "-wait=0", "-out="+dir, "-store="+
				filepath.Join(t.TempDir(), "store"))
			cmd.Env = append(os.Environ(), "PATH="+t.TempDir()) // without apt
			out, _ := cmd.CombinedOutput()
			taken := "-> 1.0.1 "
			if c.code == 0 {
				taken = "-> 1.0.9 "
			}
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(string(out), c.says) ||
				!strings.Contains(string(out), taken) {
				t.Errorf("exit status %d, want %d\n%s", got, c.code, out)
			}
		})
	}
}
