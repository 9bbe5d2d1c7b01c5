package sign

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// snoop is what a hostile child does that has the same uid: it reads the environment of every process that
// it may.
const snoop = `cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' |
	grep -c '^APART_CANARY=.*PRIVATE' || true`

// TestApartPart is the process that builds and has something signed, when TestApart says so.
func TestApartPart(t *testing.T) {
	if os.Getenv("APART_PART") == "" {
		t.Skip("a part of TestApart")
	}
	look := func() string {
		out, err := exec.Command("sh", "-c", snoop).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	fmt.Println("before:", look() != "0")
	s, err := Apart("env:APART_CANARY", nil)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(t.Context(), []byte("data"))
	inherited, signed := os.Getenv("APART_CANARY") != "", err == nil && s.Key.Signed([]byte("data"), sig)
	fmt.Println("after:", look(), "children inherit:", inherited, "signed:", signed)
}

// TestApart: the key of env: is out of reach for children that have the same uid, and signs all the same.
func TestApart(t *testing.T) {
	private, public := pair(t, "genpkey", "-algorithm", "ed25519")
	pem, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "sign.test")
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestApartPart$")
	cmd.Dir, cmd.Env = "/", []string{"APART_PART=1", "APART_CANARY=" + string(pem), "PATH=/usr/bin:/bin"}
	if os.Geteuid() == 0 { // root reads everything
		if err := os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	}
	out, err := cmd.CombinedOutput()
	want := "before: true\nafter: 0 children inherit: false signed: true\n"
	if err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}

	// Files and commands sign too, and what NewSigner refuses is refused with its words.
	k := key(t, public)
	command := "exec:t=$(mktemp) && cat >$t && openssl pkeyutl -sign -rawin -in $t -inkey " + private +
		"; rm $t"
	for _, where := range []string{private, command} {
		s, err := Apart(where, &k)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range []string{"one", "two"} {
			if sig, err := s.Sign(t.Context(), []byte(data)); err != nil || !k.Signed([]byte(data), sig) {
				t.Errorf("%s: %v", where, err)
			}
		}
	}
	for _, where := range []string{private + ".none", "env:APART_NONE", public, "exec:true"} {
		_, wanted := NewSigner(where, nil)
		if _, err := Apart(where, nil); err == nil || wanted == nil || err.Error() != wanted.Error() {
			t.Errorf("%s: %v, want %v", where, err, wanted)
		}
	}
}
