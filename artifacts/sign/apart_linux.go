package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// apartName is the name under which the program runs itself to hold a private key.
const apartName = "tlsfloor-signer"

// The descriptors of the process that signs.
const (
	askFD    = 3
	answerFD = 4
)

func init() {
	if len(os.Args) == 0 || os.Args[0] != apartName {
		return
	}
	// Nobody with this uid may look into this process: neither its memory nor its environment
	// (PR_SET_DUMPABLE(2const)).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		syscall.Exit(1)
	}
	serve(os.NewFile(askFD, "ask"), os.NewFile(answerFD, "answer"))
	syscall.Exit(0)
}

// order is what the process that signs is asked: first for a key, then for signatures.
type order struct {
	Where  string `json:",omitempty"`
	Public string `json:",omitempty"` // PEM of the key that is expected
	From   string `json:",omitempty"` // where that came from
	Data   []byte `json:",omitempty"`
	PGP    bool   `json:",omitempty"` // an OpenPGP key is meant
}

// answer is what it says.
type answer struct {
	Key   string `json:",omitempty"` // the public key's PEM, or its armor
	Sig   []byte `json:",omitempty"`
	Error string `json:",omitempty"`
	Hint  string `json:",omitempty"`
	Code  int    `json:",omitempty"`
}

// serve takes a key and signs with it until nobody asks any more.
func serve(ask io.Reader, out io.Writer) {
	in, say := json.NewDecoder(ask), json.NewEncoder(out)
	var sign signing
	for {
		var o order
		if in.Decode(&o) != nil {
			return
		}
		a, err := answer{}, error(nil)
		if sign == nil {
			a.Key, sign, err = o.open()
		} else {
			a.Sig, err = sign(context.Background(), o.Data)
		}
		if err != nil {
			a = answer{Error: err.Error(), Hint: fault.HintOf(err), Code: int(fault.CodeOf(err))}
		}
		if say.Encode(a) != nil || sign == nil {
			return
		}
	}
}

func (k Key) text() (string, error) {
	b, err := k.PEM()
	return string(b), err
}

// signing returns the signature over data.
type signing func(ctx context.Context, data []byte) ([]byte, error)

// open reads the key that is meant, and returns its public half.
func (o order) open() (string, signing, error) {
	if o.PGP {
		return o.openPGP()
	}
	var public *Key
	if o.Public != "" {
		key, err := ParseKey([]byte(o.Public), o.From)
		if err != nil {
			return "", nil, err
		}
		public = &key
	}
	s, err := NewSigner(o.Where, public)
	if err != nil {
		return "", nil, err
	}
	text, err := s.Key.text()
	return text, s.Sign, err
}

// apart is the process that signs, as this one sees it.
type apart struct {
	mu  sync.Mutex
	ask *json.Encoder
	got *json.Decoder
}

func (p *apart) do(o order) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a answer
	if err := p.ask.Encode(o); err != nil {
		return a, fmt.Errorf("asking the process that signs: %w", err)
	}
	if err := p.got.Decode(&a); err != nil {
		return a, fmt.Errorf("the process that signs has ended: %w", err)
	}
	if a.Error != "" {
		return a, fault.New(fault.Code(a.Code), a.Hint, "%s", a.Error)
	}
	return a, nil
}

// Apart is NewSigner for a process that builds: the private key is in another process, which builds nothing
// and which this one's children cannot look into, and is in this one's environment no more. The process
// ends with this one.
func Apart(where string, public *Key) (*Signer, error) {
	o := order{Where: where}
	if public != nil {
		var err error
		o.From = public.From
		if o.Public, err = public.text(); err != nil {
			return nil, err
		}
	}
	p, text, err := startApart(o)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey([]byte(text), where)
	if err != nil {
		return nil, err
	}
	return &Signer{key, func(_ context.Context, data []byte) ([]byte, error) {
		a, err := p.do(order{Data: data})
		return a.Sig, err
	}}, nil
}

// startApart starts the process with a first order, and returns the public half of the key that it has.
func startApart(o order) (*apart, string, error) {
	asked, ask, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer asked.Close()
	got, answers, err := os.Pipe()
	if err != nil {
		ask.Close()
		return nil, "", err
	}
	defer answers.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.ExtraFiles, cmd.Stderr = []string{apartName}, []*os.File{asked, answers}, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it signs what is finished when somebody cancels
	if err := cmd.Start(); err != nil {
		ask.Close()
		got.Close()
		return nil, "", fmt.Errorf("starting the process that signs: %w", err)
	}
	go cmd.Wait()
	p := &apart{ask: json.NewEncoder(ask), got: json.NewDecoder(got)}
	a, err := p.do(o)
	if err != nil {
		ask.Close()
		return nil, "", err
	}
	if name, ok := strings.CutPrefix(o.Where, fromEnv); ok {
		if err := forget(name); err != nil {
			return nil, "", err
		}
	}
	return p, a.Key, nil
}

// forget takes a variable out of the environment, and out of what /proc/self/environ shows: that is the
// memory in which the process was given its environment, and stays as it was.
func forget(name string) error {
	os.Unsetenv(name)
	given, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return err
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	start, err := environStart(stat)
	if err != nil {
		return err
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	at := 0
	for entry := range bytes.SplitSeq(given, []byte{0}) {
		if bytes.HasPrefix(entry, []byte(name+"=")) {
			if _, err := mem.WriteAt(make([]byte, len(entry)), start+int64(at)); err != nil {
				return fmt.Errorf("removing %s from this process's environment: %w", name, err)
			}
		}
		at += len(entry) + 1
	}
	return nil
}

// environStart reads env_start, field 50 of proc_pid_stat(5).
func environStart(stat []byte) (int64, error) {
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	fields := bytes.Fields(rest) // from field 3 on
	var start int64
	if len(fields) < 48 {
		return 0, fmt.Errorf("/proc/self/stat has %d fields", len(fields)+2)
	}
	_, err := fmt.Sscan(string(fields[47]), &start)
	if err == nil && start == 0 {
		err = fmt.Errorf("/proc/self/stat does not say where the environment is")
	}
	return start, err
}
