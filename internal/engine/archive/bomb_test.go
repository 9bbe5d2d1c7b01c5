package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// bomb is an archive of few bytes that asks for a lot.
type bomb struct {
	name  string
	bytes []byte
	want  string // in the error; "" when it is honest and has to fit into the memory all the same
}

const (
	bombPeak = 800 << 20 // bytes of memory that a whole process may take; aheadMemory, and as much again that is not collected yet
	topLevel = "top/"
)

// patched sets what the first block of an xz stream asks for.
func patched(stream []byte, bits byte) []byte {
	b := bytes.Clone(stream)
	size := (int(b[12]) + 1) * 4
	b[16] = bits
	binary.LittleEndian.PutUint32(b[12+size-4:], crc32.ChecksumIEEE(b[12:12+size-4]))
	return b
}

// streams packs b as n xz streams, of which the one numbered at asks for the dictionary bits.
func streams(t testing.TB, b []byte, n, at int, bits byte) (all []byte) {
	t.Helper()
	step := (len(b) + n - 1) / n
	for i := range n {
		s := xzed(t, b[i*step:min(len(b), (i+1)*step)])
		if at < 0 || i == at {
			s = patched(s, bits)
		}
		all = append(all, s...)
	}
	return all
}

// blocksOf is one xz stream of n blocks without a byte in them, each of which asks for the dictionary bits.
func blocksOf(n int, bits byte) []byte {
	header := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	flags := []byte{0, 0} // no check
	out := append(bytes.Clone(xzMagic), flags...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(flags))
	index := binary.AppendUvarint([]byte{0}, uint64(n))
	for range n {
		out = append(out, header([]byte{2, 0, lzma2Filter, 1, bits, 0, 0, 0})...)
		out = append(out, 0, 0, 0, 0)
		index = append(index, 13, 0)
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = header(index)
	out = append(out, index...)
	foot := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(foot))
	return append(append(out, foot...), "YZ"...)
}

// frame is a zstd frame (RFC 8878, section 3.1.1) with a window of 1<<(10+exponent) bytes and an empty block.
func frame(exponent byte) []byte { return []byte{0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0} }

// zeros is a tar archive with a file of n zero bytes, without these.
func zeros(t testing.TB, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: topLevel + "zeros", Size: n, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rawHeader is a tar header in GNU's form, whose checksum is right.
func rawHeader(kind byte, size int, change func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, topLevel+"raw")
	copy(h[100:], fmt.Sprintf("0000644\x000000000\x000000000\x00%011o\x0000000000000\x00", size))
	h[156] = kind
	copy(h[257:], "ustar  \x00")
	change(h)
	sum := 8 * int(' ')
	for i, c := range h {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// oldSparse is a file of GNU's old sparse form: 4 EiB, of which none stand in the archive.
func oldSparse() []byte {
	h := rawHeader('S', 0, func(h []byte) {
		h[483] = 0x80
		binary.BigEndian.PutUint64(h[487:], 1<<62)
	})
	return append(h, make([]byte, 1024)...)
}

// longComment is an entry with a PAX record of 2 MiB before it.
func longComment() []byte {
	const size = 2 << 20
	record := fmt.Sprintf("%d comment=%s\n", size, strings.Repeat("x", size-len("2097152 comment=\n")))
	return append(rawHeader('x', size, func([]byte) {}), record...)
}

func bombs(t testing.TB) (all []bomb) {
	const hugeBits, bigBits, most = 40, 28, 48 << 20
	dictionary := "asks for a dictionary of 4294967295 bytes, more than 67108864"
	honest := tarOf(t, fileEntry(topLevel+"a", strings.Repeat("0123456789abcdef", 1<<14)), fileEntry(topLevel+"b", "b"))
	add := func(name string, b []byte, want string) { all = append(all, bomb{name, b, want}) }

	add("xz: all of 20 streams ask for 4 GiB", streams(t, honest, 20, -1, hugeBits), dictionary)
	add("xz: the second stream asks for 4 GiB", streams(t, honest, 20, 1, hugeBits), dictionary)
	add("xz: the last stream asks for 4 GiB", streams(t, honest, 20, 19, hugeBits), dictionary)
	add("xz: the only stream asks for 4 GiB", streams(t, honest, 1, 0, hugeBits), dictionary)
	add("xz: 96 MiB", streams(t, honest, 2, 1, 29), "more than 67108864")
	add("xz: a block of many asks for 4 GiB", blocksOf(3, hugeBits), dictionary)
	add("xz: 150 empty blocks ask for 64 MiB each", blocksOf(150, bigBits), "their dictionaries take more than")
	add("xz: 100,000 empty streams", bytes.Repeat(blocksOf(0, 0), 100_000), "no entry in the archive")
	add("xz: 32 streams with 64 MiB each", streams(t, honest, 32, -1, bigBits), "")
	add("xz in a package", debOf(debHead, debMade{"data.tar.xz", streams(t, honest, 3, 2, hugeBits)}), dictionary)

	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := e.EncodeAll(honest, nil)
	add("zstd: a window of 2 GiB", frame(21), "window size exceeded")
	add("zstd: the second frame has a window of 2 GiB", append(bytes.Clone(packed), frame(21)...), "window size exceeded")
	add("zstd: 2,000 windows of 64 MiB", append(packed, bytes.Repeat(frame(16), 2000)...), "")

	big := zeros(t, 8<<30)
	add("tar: a file of 8 GiB", big, "the files would take more than 4294967296 bytes")
	big = zeros(t, 1<<30)
	add("gzip: 1 GiB in members of 48 MiB", append(gz(t, big), bytes.Repeat(gz(t, make([]byte, most)), 22)...), "times as many")
	run, err := hex.DecodeString(bzipZeros)
	if err != nil {
		t.Fatal(err)
	}
	add("bzip2: 1 GiB in streams of 45 MB", append(bzipped(t, big), bytes.Repeat(run, 24)...), "times as many")
	add("zstd: 1 GiB in frames of 48 MiB", append(e.EncodeAll(big, nil), bytes.Repeat(e.EncodeAll(make([]byte, most), nil), 22)...), "times as many")

	add("tar: sparse, 4 EiB", oldSparse(), "raw")
	add("tar: 400 levels", tarOf(t, fileEntry(topLevel+strings.Repeat("d/", 400)+"f", "")), "levels")
	add("tar: a comment of 900 KiB for each of 50 files", gz(t, tarOf(t, commented(50, 900<<10)...)), "")
	add("tar: a comment of 2 MiB", longComment(), "header field too long")
	return all
}

// commented are n files with a PAX record of size bytes each.
func commented(n, size int) (all []entry) {
	for i := range n {
		e := fileEntry(fmt.Sprintf("%s%d", topLevel, i), "")
		e.PAXRecords = map[string]string{"TLSFLOOR.comment": strings.Repeat("x", size)}
		all = append(all, e)
	}
	return all
}

// bzipZeros is bzip2 -9 of 45,000,000 zero bytes; this room packs no bzip2 itself.
const bzipZeros = "425a6839314159265359c901b6c80158ab4020c00010000008200030cc0529a65248526c5492149e2ee48a70a12192036d90"

// bzipped packs b with the host's bzip2.
func bzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	c := exec.Command("bzip2", "-c")
	c.Stdin = bytes.NewReader(b)
	out, err := c.Output()
	if err != nil {
		t.Skipf("no bzip2 here: %v", err)
	}
	return out
}

// ways are how an archive is read: the result is an error or nil.
var bombWays = map[string]func(t *testing.T, f *os.File) error{
	"file": func(t *testing.T, f *os.File) error {
		return Unpack(t.Context(), f, filepath.Join(t.TempDir(), "out"), Options{Strip: 1})
	},
	"pipe": func(t *testing.T, f *os.File) error {
		return Unpack(t.Context(), struct{ io.Reader }{f}, filepath.Join(t.TempDir(), "out"), Options{Strip: 1})
	},
	"visit": func(t *testing.T, f *os.File) error {
		return Visit(t.Context(), f, "bomb", Limits{}, func(v Visited) error {
			_, err := io.Copy(io.Discard, v.Body)
			return err
		})
	},
}

const bombFile = "TLSFLOOR_TEST_BOMB"

// TestBombs reads each bomb in each way, in a process of its own whose memory is looked at.
func TestBombs(t *testing.T) {
	if file := os.Getenv(bombFile); file != "" {
		readBomb(t, file)
		return
	}
	for _, b := range bombs(t) {
		file := filepath.Join(t.TempDir(), "bomb")
		if err := os.WriteFile(file, b.bytes, 0o644); err != nil {
			t.Fatal(err)
		}
		for way := range bombWays {
			t.Run(b.name+", "+way, func(t *testing.T) {
				t.Parallel()
				c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBombs$", "-test.v")
				c.Env = append(os.Environ(), bombFile+"="+way+":"+file, "TMPDIR="+t.TempDir())
				out, err := c.CombinedOutput()
				said, peak := "", 0
				for line := range strings.Lines(string(out)) {
					said += cutLine(line, "said: ")
					fmt.Sscanf(line, "VmHWM: %d kB", &peak)
				}
				if err != nil || peak == 0 {
					t.Fatalf("%v\n%s", err, out)
				}
				if peak<<10 > bombPeak {
					t.Errorf("%d bytes took %d MB of memory", len(b.bytes), peak>>10)
				}
				if way == "visit" && visitMay(b) {
					return
				}
				if b.want == "" && said != "nothing" || !strings.Contains(said, b.want) {
					t.Errorf("said %q, want %q", said, b.want)
				}
				t.Logf("%d bytes, %d MB of memory: %s", len(b.bytes), peak>>10, said)
			})
		}
	}
}

// visitMay reports a bomb that only hurts whoever writes files.
func visitMay(b bomb) bool {
	return strings.Contains(b.name, "folders") || strings.Contains(b.name, "levels") || strings.Contains(b.name, "empty streams") || strings.Contains(b.name, "8 GiB")
}

func cutLine(line, prefix string) string {
	if rest, ok := strings.CutPrefix(line, prefix); ok {
		return strings.TrimSpace(rest)
	}
	return ""
}

func readBomb(t *testing.T, named string) {
	way, file, _ := strings.Cut(named, ":")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err = bombWays[way](t, f); err == nil {
		err = errors.New("nothing")
	}
	fmt.Println("said:", strings.ReplaceAll(err.Error(), "\n", " "))
	status, err := fs.ReadFile(os.DirFS("/proc"), "self/status")
	if err != nil {
		t.Skip("no /proc: memory is not measured")
	}
	fmt.Println(string(status))
}

// TestFoldersCount holds that folders which only names of files speak of count as entries do.
func TestFoldersCount(t *testing.T) {
	var deep []entry
	for i := range 20 {
		deep = append(deep, fileEntry(fmt.Sprintf("%s%d%s/f", topLevel, i, strings.Repeat("/d", 20)), ""))
	}
	for most, want := range map[int]string{300: "more than 300 files and folders", 500: ""} {
		o := Options{Strip: 1, Limits: Limits{Entries: most}}
		err := Unpack(t.Context(), bytes.NewReader(tarOf(t, deep...)), filepath.Join(t.TempDir(), "out"), o)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d: %v", most, err)
		}
	}
}
