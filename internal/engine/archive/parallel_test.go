package archive

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// packedFile packs a tree into a file of many streams, and returns it with the digest of the tar in it.
func packedFile(t testing.TB) (file string, want digest.Digest) {
	t.Helper()
	dir := t.TempDir()
	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{2}).Read(data)
	for name, text := range map[string][]byte{"random": data, "text": bytes.Repeat([]byte("the same line again\n"), 40_000)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var plain, packed bytes.Buffer
	for _, one := range []struct {
		to     *bytes.Buffer
		format Format
	}{{&plain, Plain}, {&packed, XZ}} {
		if err := Pack(t.Context(), one.to, dir, "top", PackOptions{Format: one.format, When: time.Unix(0, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(t.TempDir(), "packed.tar.xz")
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, digest.Of(plain.Bytes())
}

// all reads a file in parallel. ok is false when it is not to be read so.
func all(t *testing.T, file string) (d digest.Digest, ok bool, err error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := parallelXZ(t.Context(), f, &counter{})
	if r == nil {
		return d, false, nil
	}
	defer r.Close()
	d, _, err = digest.OfReader(r)
	return d, true, err
}

func TestStreamsAreDecodedInParallel(t *testing.T) {
	sizes := blockSizes
	blockSizes = map[Format]int{XZ: 64 << 10}
	t.Cleanup(func() { blockSizes = sizes })
	file, want := packedFile(t)
	if got, ok, err := all(t, file); !ok || err != nil || got != want {
		t.Fatalf("in parallel %v, %v, right bytes: %v", ok, err, got == want)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spans := xzSpans(bytes.NewReader(good), int64(len(good)))
	if len(spans) < 10 {
		t.Fatalf("only %d streams: the test shows nothing", len(spans))
	}
	second := spans[1]
	for name, damage := range map[string]func([]byte) []byte{
		"a bit in a block":         func(b []byte) []byte { b[second.from+second.packed/2] ^= 1; return b },
		"a bit in an index":        func(b []byte) []byte { b[second.from+second.packed-xzEnds-6] ^= 1; return b },
		"a stream in another file": func(b []byte) []byte { return append(b[:second.from:second.from], b[second.from+10:]...) },
		"cut":                      func(b []byte) []byte { return b[:len(b)-7] },
		"more behind it":           func(b []byte) []byte { return append(b, "more"...) },
		"no beginning":             func(b []byte) []byte { return b[3:] },
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, damage(bytes.Clone(good)), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(bad)
		if err != nil {
			t.Fatal(err)
		}
		err = Unpack(t.Context(), f, filepath.Join(t.TempDir(), "out"), Options{Strip: 1})
		f.Close()
		if err == nil {
			t.Errorf("%s: it was unpacked", name)
		}
	}
	for _, n := range []int{0, 1, 11, 12, 40} { // what is too short has no streams
		if got := xzSpans(bytes.NewReader(good[:n]), int64(n)); got != nil {
			t.Errorf("%d bytes: %v", n, got)
		}
	}
}

// TestParallelIsLeft closes and cancels in the middle: nothing is left running.
func TestParallelIsLeft(t *testing.T) {
	sizes := blockSizes
	blockSizes = map[Format]int{XZ: 64 << 10}
	t.Cleanup(func() { blockSizes = sizes })
	file, _ := packedFile(t)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r := parallelXZ(ctx, f, &counter{})
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := r.Close(); err != nil { // it waits for all of them
		t.Fatal(err)
	}
}

// BenchmarkUnpack unpacks a tree as tlsfloor does and as tar with the host's decoders does;
// TLSFLOOR_TEST_TREE names the tree.
func BenchmarkUnpack(b *testing.B) {
	tree := os.Getenv("TLSFLOOR_TEST_TREE")
	if tree == "" {
		b.Skip("TLSFLOOR_TEST_TREE names no tree")
	}
	for _, format := range []Format{XZ, Zstd} {
		file := filepath.Join(b.TempDir(), "packed"+string(format))
		f, err := os.Create(file)
		if err == nil {
			err = Pack(b.Context(), f, tree, "top", PackOptions{Format: format, When: time.Unix(0, 0)})
		}
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
		b.Run(strings.TrimPrefix(string(format), "."), func(b *testing.B) {
			for b.Loop() {
				f, err := os.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				if err := Unpack(b.Context(), f, filepath.Join(b.TempDir(), "out"), Options{}); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
		b.Run("tar-"+strings.TrimPrefix(string(format), "."), func(b *testing.B) {
			for b.Loop() {
				if out, err := exec.CommandContext(b.Context(), "tar", "-xf", file, "-C", b.TempDir()).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}

// FuzzParallelXZ holds that a file is read in parallel, and from its beginning, to the same bytes or not at
// all.
func FuzzParallelXZ(f *testing.F) {
	honest := bytes.Repeat([]byte("the same line again\n"), 50)
	two := append(xzed(f, honest), xzed(f, honest)...)
	f.Add(two)
	f.Add(streams(f, honest, 3, 1, 40))
	f.Add(append(bytes.Clone(two), make([]byte, 8)...))
	f.Add(append(blocksOf(0, 0), blocksOf(2, 0)...))
	f.Add(two[:len(two)-5])
	f.Fuzz(func(t *testing.T, b []byte) {
		name := filepath.Join(t.TempDir(), "packed")
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		l := Limits{Bytes: 8 << 20}.orDefaults()
		read := func(r io.Reader) (out []byte, err error) {
			s, err := newStream(t.Context(), r, l)
			if err != nil {
				return nil, err
			}
			defer s.stop()
			return io.ReadAll(s)
		}
		whole, err := read(bytes.NewReader(b))
		shared, err2 := read(file)
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(whole, shared) {
			t.Fatalf("%d bytes, %v; in parallel %d bytes, %v", len(whole), err, len(shared), err2)
		}
	})
}
