package subject

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/tlsfloor/tlsfloor/verify"
)

//go:embed driver.py
var driverSource string

//go:embed clients.py
var clientsSource string

// python is an interpreter: one process as it is, one under the OPENSSL_CONF that allows everything, and one
// that people would start.
type python struct {
	bench      verify.Bench
	path, weak string
	ctx        context.Context // of the processes, which outlive the trials
	cancel     context.CancelFunc
	mu         sync.Mutex
	drivers    map[startup]*driver
}

func newPython(b verify.Bench, path, weak string) *python {
	ctx, cancel := context.WithCancel(context.Background())
	return &python{bench: b, path: path, weak: weak, ctx: ctx, cancel: cancel, drivers: map[startup]*driver{}}
}

// startup is how an interpreter is started.
type startup struct{ conf, plain bool } // Setup.Conf and Setup.Plain

// driver is a started interpreter and the requests that it has not yet answered.
type driver struct {
	process *process
	errors  *lines
	mu      sync.Mutex
	last    int
	pending map[int]chan reply
}

type request struct {
	ID       int          `json:"id"`
	Op       string       `json:"op"`
	Setup    verify.Setup `json:"setup"`
	Addr     string       `json:"addr,omitempty"`
	Server   int          `json:"server,omitempty"`
	CA       string       `json:"ca"`
	CRL      string       `json:"crl"`
	Own      string       `json:"own"` // the client's certificate; "" none
	OwnKey   string       `json:"own_key"`
	OwnPair  string       `json:"own_pair"` // both in one file
	Packages []string     `json:"packages,omitempty"`
	Password string       `json:"password"`
	Cert     string       `json:"cert"`
	Key      string       `json:"key"`
	Greeting string       `json:"greeting"`
	Timeout  float64      `json:"timeout"` // seconds
}

type reply struct {
	ID      int           `json:"id"`
	Addr    string        `json:"addr"`
	Report  verify.Report `json:"report"`
	Problem string        `json:"problem"`
}

// driver returns the interpreter for a setup, started if need be.
func (p *python) driver(how startup) (*driver, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.drivers[how]; d != nil {
		return d, nil
	}
	d := &driver{errors: &lines{}, pending: map[int]chan reply{}}
	program := driverSource + "\n" + clientsSource + "\nmain()\n"
	argv := []string{p.path, "-I", "-W", "ignore", "-c", program}
	var err error
	if how.plain {
		script := filepath.Join(filepath.Dir(p.bench.Files.CA), "client.py")
		// the same bytes for every interpreter
		if err = os.WriteFile(script, []byte(program), 0o644); err != nil {
			return nil, err
		}
		argv = []string{p.path, script}
	}
	if p.weak != "" {
		argv = append(argv, p.weak)
	}
	if d.process, err = start(p.ctx, p.bench, argv, how.conf, &lines{each: d.answer}, d.errors); err != nil {
		return nil, err
	}
	p.drivers[how] = d
	return d, nil
}

// answer hands a reply to the one who waits for it. What is no reply is dropped: the waiting one's time-out
// tells.
func (d *driver) answer(line string) {
	var r reply
	if json.Unmarshal([]byte(line), &r) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.pending[r.ID]; c != nil {
		delete(d.pending, r.ID)
		c <- r
	}
}

// ask sends one request and waits for its reply; id is what a server is asked for by later.
func (p *python) ask(ctx context.Context, r request) (id int, answer reply, err error) {
	d, err := p.driver(startup{r.Setup.Conf, r.Setup.Plain})
	if err != nil {
		return 0, reply{}, err
	}
	f := p.bench.Files
	r.CA, r.Cert, r.Key, r.Greeting, r.Timeout = f.Roots(r.Setup.Trust), f.Cert, f.Key, verify.Greeting, p.bench.Timeout.Seconds()
	r.CRL = f.CRL
	r.Own, r.OwnKey, r.Password = f.Identify(r.Setup.Identity)
	r.OwnPair = f.Pair(r.Setup.Identity)
	c := make(chan reply, 1)
	if r.ID, err = d.send(r, c); err != nil {
		return 0, reply{}, fmt.Errorf("asking the interpreter: %w: %s", err, d.errors.tail())
	}
	select {
	case answer = <-c:
	case <-d.process.done:
		select {
		case answer = <-c: // it answered, and ended
		default:
			return 0, reply{}, fmt.Errorf("the interpreter has ended: %s", d.errors.tail())
		}
	case <-ctx.Done():
		return 0, reply{}, fmt.Errorf("waiting for the interpreter: %w", ctx.Err())
	}
	if answer.Problem != "" {
		return 0, reply{}, errors.New(answer.Problem)
	}
	return r.ID, answer, nil
}

func (d *driver) send(r request, c chan reply) (int, error) {
	d.mu.Lock()
	d.last++
	r.ID = d.last
	d.pending[r.ID] = c
	d.mu.Unlock()
	line, err := json.Marshal(r)
	if err == nil {
		_, err = d.process.stdin.Write(append(line, '\n'))
	}
	return r.ID, err
}

// Connect implements verify.Subject.
func (p *python) Connect(ctx context.Context, s verify.Setup, addr string) (verify.Report, error) {
	if s.Library == "" {
		_, r, err := p.ask(ctx, request{Op: "connect", Setup: s, Addr: addr})
		return r.Report, err
	}
	r := request{Op: "library", Setup: s, Addr: addr}
	if p.weak != "" { // the subject has its own, and a weak peer borrows them
		r.Packages = p.bench.Packages
	}
	_, answer, err := p.ask(ctx, r)
	return answer.Report, err
}

// Inspect implements verify.Subject.
func (p *python) Inspect(ctx context.Context, look verify.Act) (verify.Report, error) {
	if look == verify.Imports {
		return p.imports(ctx)
	}
	_, r, err := p.ask(ctx, request{Op: "has"})
	if err != nil || look == verify.Has {
		return r.Report, err
	}
	d, err := p.driver(startup{})
	if err != nil {
		return verify.Report{}, err
	}
	facts, err := mapped(d.process.cmd.Process.Pid, p.path)
	return verify.Report{Facts: facts}, err
}

// imports tells what import ssl led to in a script, and in the judge's other process.
func (p *python) imports(ctx context.Context) (verify.Report, error) {
	_, plain, err := p.ask(ctx, request{Op: "loaded", Setup: verify.Setup{Plain: true}})
	if err != nil {
		return verify.Report{}, err
	}
	_, isolated, err := p.ask(ctx, request{Op: "loaded"})
	if err != nil {
		return verify.Report{}, err
	}
	for _, fact := range isolated.Report.Facts {
		plain.Report.Facts = append(plain.Report.Facts, verify.Isolated+fact)
	}
	return plain.Report, nil
}

// Serve implements verify.Subject.
func (p *python) Serve(ctx context.Context, s verify.Setup) (verify.Service, error) {
	id, r, err := p.ask(ctx, request{Op: "serve", Setup: s})
	if err != nil {
		return nil, err
	}
	if r.Addr == "" {
		return nil, fmt.Errorf("starting a server: %s %s", r.Report.Reason, r.Report.Text)
	}
	return pythonServer{p, startup{s.Conf, s.Plain}, id, r.Addr}, nil
}

// pythonServer is a listening thread of the driver.
type pythonServer struct {
	*python
	how  startup
	id   int
	addr string
}

// Addr implements verify.Service.
func (s pythonServer) Addr() string { return s.addr }

// Report implements verify.Service.
func (s pythonServer) Report(ctx context.Context) (verify.Report, error) {
	_, r, err := s.ask(ctx, request{Op: "report", Setup: verify.Setup{Conf: s.how.conf, Plain: s.how.plain},
		Server: s.id})
	return r.Report, err
}

// Close implements verify.Service: the thread ends with its one connection, or by its own time-out.
func (s pythonServer) Close() error { return nil }

// Executed implements verify.Executioner: the isolated start always, and each of the others that was made.
func (p *python) Executed() (all []verify.Ran) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range []struct {
		name string
		how  startup
	}{
		{"", startup{}}, {"with OPENSSL_CONF", startup{conf: true}}, {"as a script", startup{plain: true}},
		{"as a script with OPENSSL_CONF", startup{conf: true, plain: true}},
	} {
		r := verify.Ran{Start: one.name}
		if d := p.drivers[one.how]; d != nil {
			r.Programs, r.Maps = executed(d.process.cmd.Process.Pid)
		} else if one.how != (startup{}) {
			continue
		}
		all = append(all, r)
	}
	return all
}

// Close implements verify.Subject.
func (p *python) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.drivers {
		d.process.close()
	}
	p.cancel()
	return nil
}
