package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPackIsConstant packs the same tree twice, made at other times, in another order and with other modes.
func TestPackIsConstant(t *testing.T) {
	when := time.Unix(1_700_000_000, 0)
	pack := func(names []string, mode os.FileMode) []byte {
		dir := t.TempDir()
		for _, name := range names {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("text of "+name), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("b/c", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Pack(t.Context(), &b, dir, "top", when); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first := pack([]string{"a", "b/c", "d"}, 0o644)
	if second := pack([]string{"d", "b/c", "a"}, 0o600); !bytes.Equal(first, second) {
		t.Error("the same tree gives two archives")
	}
	if other := pack([]string{"a", "b/c", "d"}, 0o755); bytes.Equal(first, other) {
		t.Error("an executable bit is lost")
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := Unpack(t.Context(), bytes.NewReader(first), dir, Options{Strip: 1}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "link"))
	info, statErr := os.Stat(filepath.Join(dir, "a"))
	if err != nil || statErr != nil || string(text) != "text of b/c" || !info.ModTime().Equal(when) {
		t.Errorf("%q, %v, %v", text, err, statErr)
	}
	if err := Pack(t.Context(), &bytes.Buffer{}, filepath.Join(dir, "nowhere"), "top", when); err == nil {
		t.Error("a folder that is not there was packed")
	}
}
