package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
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
		if err := Pack(t.Context(), &b, dir, "top", PackOptions{When: when}); err != nil {
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
	if err := Pack(t.Context(), &bytes.Buffer{}, filepath.Join(dir, "nowhere"), "top", PackOptions{When: when}); err == nil {
		t.Error("a folder that is not there was packed")
	}
}

// TestPackInBlocks packs a tree of many blocks: the bytes are the same for any number of jobs, and ours and
// the host's decoders read them.
func TestPackInBlocks(t *testing.T) {
	sizes := blockSizes
	blockSizes = map[Format]int{XZ: 64 << 10, Zstd: 64 << 10}
	t.Cleanup(func() { blockSizes = sizes })
	dir := t.TempDir()
	want := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(want)
	for name, data := range map[string][]byte{"random": want, "text": bytes.Repeat([]byte("the same line again\n"), 40_000), "empty": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for f, command := range map[Format]string{XZ: "xz", Zstd: "zstd"} {
		var first []byte
		for _, jobs := range []int{1, 2, 7} {
			var b bytes.Buffer
			if err := Pack(t.Context(), &b, dir, "top", PackOptions{Format: f, Jobs: jobs}); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = b.Bytes()
			} else if !bytes.Equal(first, b.Bytes()) {
				t.Errorf("%s: %d jobs give other bytes", f, jobs)
			}
		}
		out := filepath.Join(t.TempDir(), "out")
		if err := Unpack(t.Context(), bytes.NewReader(first), out, Options{Strip: 1}); err != nil {
			t.Fatal(f, err)
		}
		if got, err := os.ReadFile(filepath.Join(out, "random")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: what comes out is another file, %v", f, err)
		}
		for _, cut := range []int{len(first) / 2, len(first) - 1} {
			if err := Unpack(t.Context(), bytes.NewReader(first[:cut]), filepath.Join(t.TempDir(), "cut"), Options{Strip: 1}); err == nil {
				t.Errorf("%s: cut at %d of %d, and nobody notices", f, cut, len(first))
			}
		}
		if _, err := exec.LookPath(command); err != nil {
			t.Logf("the host has no %s", command)
			continue
		}
		cmd := exec.Command(command, "-dc")
		cmd.Stdin = bytes.NewReader(first)
		if tarball, err := cmd.Output(); err != nil || !bytes.Contains(tarball, want[:512]) {
			t.Errorf("%s -dc: %v", command, err)
		}
	}
}

// A writer that fails, and a context that ends, end the packing too, and leave nothing running.
func TestPackFails(t *testing.T) {
	sizes := blockSizes
	blockSizes = map[Format]int{XZ: 4 << 10, Zstd: 4 << 10}
	t.Cleanup(func() { blockSizes = sizes })
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	if err := Pack(t.Context(), broken{full}, dir, "top", PackOptions{Format: Zstd, Jobs: 3}); !errors.Is(err, full) {
		t.Errorf("a full disk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Pack(ctx, io.Discard, dir, "top", PackOptions{Format: XZ, Jobs: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type broken struct{ err error }

func (f broken) Write([]byte) (int, error) { return 0, f.err }

// BenchmarkPack packs the tree that TLSFLOOR_TEST_TREE names, by one and by two processors; -benchtime=3x
// takes three rounds.
func BenchmarkPack(b *testing.B) {
	dir := os.Getenv("TLSFLOOR_TEST_TREE")
	if dir == "" {
		b.Skip("TLSFLOOR_TEST_TREE names no tree")
	}
	for _, f := range []Format{XZ, Zstd} {
		for _, jobs := range []int{1, 2} {
			b.Run(string(f)[1:]+"-"+string(rune('0'+jobs)), func(b *testing.B) {
				for b.Loop() {
					var out counting
					if err := Pack(b.Context(), &out, dir, "top", PackOptions{Format: f, Jobs: jobs}); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(out), "bytes")
				}
			})
		}
	}
}

type counting int64

func (c *counting) Write(p []byte) (int, error) { *c += counting(len(p)); return len(p), nil }
