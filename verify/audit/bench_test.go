package audit

import (
	"archive/zip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// words is a text of n bytes that packs like a class of Java's.
func words(from *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "java/util/%d%cLinkedHash%dMap;", from.IntN(99), byte(from.IntN(256)),
			from.IntN(999))
	}
	return b[:n]
}

// mixed is a tree of what trees are made of: programs, archives of many classes, some of them the same, and
// scripts. It gives the size of all that there is to look at.
func mixed(b *testing.B) (dir string, size int64) {
	b.Helper()
	dir, from := b.TempDir(), rand.New(rand.NewPCG(1, 2))
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.Skip(err)
	}
	for n := range 4 {
		write(b, filepath.Join(dir, fmt.Sprint("program", n)), string(program))
		size += int64(len(program))
	}
	common := words(from, 500*5000)
	for n := range 4 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n, ".jar")))
		if err != nil {
			b.Fatal(err)
		}
		z := zip.NewWriter(f)
		for m := range 1000 {
			w, err := z.Create(fmt.Sprintf("a/%d.class", m))
			if err != nil {
				b.Fatal(err)
			}
			text := words(from, 5000)
			if m < 500 {
				text = common[m*5000:][:5000]
			}
			fmt.Fprintf(w, "\xca\xfe\xba\xbe%s", text)
			size += 5004
		}
		if err := z.Close(); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
	for n := range 1000 {
		write(b, filepath.Join(dir, fmt.Sprint(n, ".py")), string(words(from, 10_000)))
		size += 10_000
	}
	return dir, size
}

// BenchmarkTree is how long an audit takes, by bytes of programs, scripts and classes.
func BenchmarkTree(b *testing.B) {
	dir, size := mixed(b)
	b.SetBytes(size)
	for b.Loop() {
		if r, err := Tree(b.Context(), dir); err != nil || r.Archives != 4 || r.Members != 4000 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}

// BenchmarkScan is how long the search for all marks takes.
func BenchmarkScan(b *testing.B) {
	data := words(rand.New(rand.NewPCG(1, 2)), 8<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if h := scan(data); h.marks != nil {
			b.Fatal(h)
		}
	}
}
