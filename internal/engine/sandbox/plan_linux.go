package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// op is one step of making a root folder. A root is planned in the caller, where the host's paths
// are what they seem, and made in the child, which follows the list and decides nothing.
type op struct {
	Do   verb
	To   string   // inner path
	From string   `json:",omitempty"` // host path of a bind
	Text string   `json:",omitempty"` // a file's content, a link's target, a tmpfs's options
	RW   bool     `json:",omitempty"` // a bind stays writable
	Subs []string `json:",omitempty"` // mount points below a bind, which must become read-only too
	Show []shown  `json:",omitempty"` // what a veil lets through
}

type verb string

const (
	doFile  verb = "file"
	doLink  verb = "link"
	doBind  verb = "bind"
	doTmpfs verb = "tmpfs"
	doProc  verb = "proc"
	doVeil  verb = "veil" // cover folder To by an empty one that shows only some of its entries
	doSeal  verb = "seal" // make what the sandbox made at To read-only
)

// planner lays out one root.
type planner struct {
	spec   *Spec
	ops    []op
	mounts []string        // the host's mount points
	veils  map[string]*op  // by inner folder
	top    map[string]bool // top-level names that show the host's
}

// planRoot returns the steps that make spec's root, without hiding anything when bare.
func planRoot(ctx context.Context, spec *Spec, bare bool) ([]op, error) {
	mounts, err := hostMounts()
	if err != nil {
		return nil, err
	}
	p := &planner{spec: spec, mounts: mounts, veils: map[string]*op{}, top: map[string]bool{}}
	steps := []func(context.Context) error{p.system, p.etc, p.devices, p.tmp, p.own, p.hide, p.tools, p.binds}
	switch {
	case spec.HostView:
		steps = []func(context.Context) error{p.system, p.etc, p.etcTried, p.devices, p.tmp, p.own, p.binds}
	case bare:
		steps = []func(context.Context) error{p.system, p.etc, p.devices, p.tmp, p.own}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p.sealed(), nil
}

func (p *planner) add(o op) { p.ops = append(p.ops, o) }

// bind shows the host's from at to. Links in from are followed here, while they mean the host's paths.
func (p *planner) bind(from, to string, rw bool) error {
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return fmt.Errorf("resolving %s: %w", from, err)
	}
	o := op{Do: doBind, From: real, To: to, RW: rw}
	if rw {
		if err := ownTree(real); err != nil {
			return err
		}
	} else {
		for _, m := range p.mounts {
			if m != real && within(m, real) {
				o.Subs = append(o.Subs, filepath.Join(to, strings.TrimPrefix(m, real)))
			}
		}
	}
	p.add(o)
	return nil
}

// showTop shows a top-level entry of the host as it is: a link stays a link (merged /usr).
func (p *planner) showTop(name string, mode fs.FileMode) error {
	path := "/" + name
	p.top[name] = true
	if mode&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		p.add(op{Do: doLink, To: path, Text: target})
		return nil
	}
	return p.bind(path, path, false)
}

func (p *planner) system(context.Context) error {
	p.add(op{Do: doProc, To: "/proc"})
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !systemDir("/"+e.Name()) || !(e.IsDir() || e.Type()&fs.ModeSymlink != 0) {
			continue
		}
		if err := p.showTop(e.Name(), e.Type()); err != nil {
			return err
		}
	}
	return nil
}

// etcFiles are what the linker, the dynamic loader and the alternatives' links need. The loader's
// configuration differs between hosts, but names only folders whose -dev content is hidden.
var etcFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"}

func (p *planner) etc(context.Context) error {
	for _, path := range etcFiles {
		if err := p.bind(path, path, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	p.add(op{Do: doFile, To: "/etc/passwd", Text: fmt.Sprintf("build:x:%d:%d::%s:/bin/sh\n", ID, ID, HomePath)})
	p.add(op{Do: doFile, To: "/etc/group", Text: fmt.Sprintf("build:x:%d:\n", ID)})
	p.add(op{Do: doFile, To: "/etc/hosts", Text: "127.0.0.1 localhost\n"})
	p.add(op{Do: doFile, To: "/etc/nsswitch.conf", Text: "passwd: files\ngroup: files\nhosts: files\n"})
	return nil
}

// etcTried are what programs that are tried read beside that: OpenSSL's and GnuTLS's configurations, CA
// certificates and Java's settings, as Debian, Fedora, SUSE, Arch and Alpine have them. Folders that hold
// keys as well are not shown as a whole.
var etcTried = []string{
	"/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
	"/etc/ssl1.1/cert.pem",
	"/etc/pki/tls/openssl.cnf", "/etc/pki/tls/openssl.d", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
	"/etc/pki/ca-trust/extracted", "/etc/pki/java",
	"/etc/ca-certificates/extracted", "/etc/crypto-policies", "/etc/gnutls", "/etc/java*", "/etc/localtime",
	"/etc/services", "/etc/protocols", "/etc/mime.types",
}

func (p *planner) etcTried(context.Context) error {
	for _, pattern := range etcTried {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if err := p.bind(path, path, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// devices makes /dev. A node on a read-only mount can be written to, but not have its mode changed,
// which a step of root's could do to the host's.
func (p *planner) devices(context.Context) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := p.bind("/dev/"+name, "/dev/"+name, false); err != nil {
			return err
		}
	}
	p.add(op{Do: doLink, To: "/dev/fd", Text: "/proc/self/fd"})
	for fd, name := range []string{"stdin", "stdout", "stderr"} {
		p.add(op{Do: doLink, To: "/dev/" + name, Text: fmt.Sprintf("/proc/self/fd/%d", fd)})
	}
	// POSIX semaphores live here: without it CPython would be built without them.
	p.add(op{Do: doTmpfs, To: "/dev/shm", Text: "mode=1777,size=20%"})
	return nil
}

func (p *planner) tmp(context.Context) error {
	p.add(op{Do: doTmpfs, To: "/tmp", Text: "mode=1777,size=50%"})
	return nil
}

// own makes the sandbox's own folders and shows the work folder.
func (p *planner) own(context.Context) error {
	p.add(op{Do: doTmpfs, To: HomePath, Text: fmt.Sprintf("mode=755,size=20%%,uid=%d,gid=%d", ID, ID)})
	if p.spec.Work == "" {
		return nil
	}
	return p.bind(p.spec.Work, WorkPath, true)
}

func (p *planner) hide(ctx context.Context) error {
	ask := hostVeils
	if p.spec.NoLibc {
		ask = func(context.Context) ([]veil, error) { return veilsFor(nobody{}, libraryDirs()) }
	}
	veils, err := ask(ctx)
	if err != nil {
		return err
	}
	for _, v := range veils {
		p.veil(v.dir, v.show)
	}
	return nil
}

func (p *planner) veil(dir string, show []shown) *op {
	v := &op{Do: doVeil, To: dir, Show: show}
	p.ops = append(p.ops, op{Do: doVeil, To: dir}) // its place; sealed puts the final content there
	p.veils[dir] = v
	return v
}

func (p *planner) tools(context.Context) error {
	for _, c := range p.spec.Host.commands() {
		p.add(op{Do: doLink, To: filepath.Join(BinPath, c.name), Text: c.path})
	}
	return nil
}

func (p *planner) binds(context.Context) error {
	for _, m := range p.spec.Mounts {
		if err := p.mount(m); err != nil {
			return err
		}
	}
	return nil
}

// mount makes room at m.To and shows m.From there. Where a folder of the host would have to get a
// new entry it is covered by a copy of itself in binds, as the host's stays as it is.
func (p *planner) mount(m Mount) error {
	cur := "/"
	for _, name := range strings.Split(m.To[1:], "/") {
		next := filepath.Join(cur, name)
		info, err := p.look(cur, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := p.room(cur, ""); err != nil {
				return err
			}
			return p.bind(m.From, m.To, m.Writable)
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			// A bind onto a link would land at the link's target: put a folder in its place.
			if err := p.room(cur, name); err != nil {
				return err
			}
			if target, err := filepath.EvalSymlinks(next); err == nil && next != m.To {
				if err := p.bind(target, next, false); err != nil {
					return err
				}
			}
			if next == m.To {
				return p.bind(m.From, m.To, m.Writable)
			}
		}
		cur = next
	}
	return p.bind(m.From, m.To, m.Writable)
}

// look says what the inner folder dir has under name: the host's entry, if that is shown.
func (p *planner) look(dir, name string) (fs.FileInfo, error) {
	if dir == "/" && !p.top[name] {
		return nil, fs.ErrNotExist
	}
	if v := p.veils[dir]; v != nil && !shows(v.Show, name) {
		return nil, fs.ErrNotExist
	}
	return os.Lstat(filepath.Join(dir, name))
}

// room makes the inner folder dir able to take a new entry, and drops the entry named drop.
func (p *planner) room(dir, drop string) error {
	if dir == "/" {
		if drop != "" {
			p.ops = without(p.ops, "/"+drop)
		}
		return nil
	}
	if !p.hosts(dir) {
		return nil
	}
	v := p.veils[dir]
	if v == nil {
		show, err := list(dir)
		if err != nil {
			return err
		}
		v = p.veil(dir, show)
	}
	kept := v.Show[:0:0]
	for _, s := range v.Show {
		if s.Name != drop {
			kept = append(kept, s)
		}
	}
	v.Show = kept
	return nil
}

// hosts reports whether the inner folder dir shows a folder of the host.
func (p *planner) hosts(dir string) bool {
	if !p.top[strings.SplitN(dir, "/", 3)[1]] {
		return false
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if v := p.veils[filepath.Dir(d)]; v != nil && !shows(v.Show, filepath.Base(d)) {
			return false
		}
	}
	return true
}

// sealed returns the steps with the veils filled in. A veil stays writable until all mount points in it are
// made.
func (p *planner) sealed() []op {
	var seals []op
	for i, o := range p.ops {
		if o.Do != doVeil {
			continue
		}
		p.ops[i] = *p.veils[o.To]
		seals = append(seals, op{Do: doSeal, To: o.To})
	}
	return append(p.ops, seals...)
}

func without(ops []op, to string) []op {
	kept := ops[:0:0]
	for _, o := range ops {
		if o.To != to {
			kept = append(kept, o)
		}
	}
	return kept
}

// hostMounts returns the caller's mount points (proc_pid_mountinfo(5), field 5).
func hostMounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var points []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 {
			points = append(points, unescape.Replace(f[4]))
		}
	}
	sort.Strings(points)
	return points, nil
}
