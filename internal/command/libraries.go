package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
)

// backend is a flag that names a real server without TLS on this machine, which stands behind the judge's
// TLS.
type backend struct {
	flag, example string
	addr          string
	clients       []verify.Library
}

func (c *command) servers() []backend {
	return []backend{
		{"-mongodb", "127.0.0.1:27017", c.MongoDB, []verify.Library{verify.PyMongo, verify.PyMongoOCSP}},
		{"-postgres", "127.0.0.1:5432", c.Postgres, []verify.Library{verify.Psycopg2, verify.Psql}},
	}
}

// checkLibraries reads -libraries, before minutes are spent on controls, and returns the servers behind
// them by the addresses that their names lead to.
func (c *command) checkLibraries() ([]backend, error) {
	names, err := verify.ParseLibraries(c.Libraries)
	if err != nil {
		return nil, fault.New(fault.Usage, "such as -libraries=urllib3,botocore", "-libraries: %w", err)
	}
	servers := c.servers()
	for i, s := range servers {
		wanted := s.flag == "-postgres" && c.Client != "" && c.StartTLS == verify.Postgres
		for _, l := range names {
			if !slices.Contains(s.clients, l) {
				continue
			}
			if wanted = true; s.addr == "" && l.Backed() {
				return nil, fault.New(fault.Usage, fmt.Sprintf("start such a server without TLS on this "+
					"machine, and add %s=%s: the judge's TLS stands before it", s.flag, s.example),
					"-libraries=%s: it needs a server that speaks its protocol", l)
			}
		}
		if s.addr == "" {
			continue
		}
		if !wanted {
			hint := fmt.Sprintf("add -libraries=%s", s.clients[0])
			if c.Client != "" {
				hint = "add -starttls=postgres, or leave it out"
			}
			return nil, fault.New(fault.Usage, hint, "%s: nothing asks for it", s.flag)
		}
		if _, servers[i].addr, err = ownServer(s.flag, s.addr); err != nil {
			return nil, err
		}
	}
	return servers, nil
}

// behind are the servers behind the judge's TLS. A client command gets PostgreSQL's, if there is one.
func (o other) behind() map[verify.Library]string {
	all := map[verify.Library]string{}
	for _, s := range o.backends {
		for _, l := range s.clients {
			all[l] = s.addr
		}
	}
	if o.kind == verify.KindClient {
		all[""] = all[verify.Psql]
	}
	return all
}

// installed is what a Python says of a library: its version, or why it cannot be imported, and where its
// packages are.
const installed = `import glob, importlib, json, os, shutil, site, subprocess, sys
found, files = {}, set()

def objects(module):
    files.update(glob.glob(os.path.join(os.path.dirname(module.__file__), "**", "*.so"), recursive=True))

for name in sys.argv[1:]:
    try:
        if name == "psql":
            beside = os.path.join(os.path.dirname(os.path.realpath(sys.executable)), "psql")
            program = beside if os.path.exists(beside) else shutil.which("psql") or "psql"
            text = subprocess.check_output([program, "--version"]).decode()
            version = text.partition("(PostgreSQL) ")[2].split()[0]
            found[name] = "%s (libpq %s)" % (version, version)  # made together
            files.add(os.path.realpath(program))
            continue
        module = importlib.import_module(name.partition("[")[0])
        objects(module)
        if name == "pymongo[ocsp]":
            importlib.import_module("pymongo.pyopenssl_context")
            objects(importlib.import_module("cryptography"))
        found[name] = getattr(module, "__version__", None) or module.version
        if name == "psycopg2":
            number = module.__libpq_version__
            found[name] = "%s (libpq %d.%d)" % (found[name].split()[0], number // 10000, number % 10000)
    except Exception as e:
        found[name] = "%s: %s" % (type(e).__name__, e)
print(json.dumps({"found": found, "packages": site.getsitepackages(), "files": sorted(files)}))`

// clientLibraries are those that the flags name.
func (c *command) clientLibraries() (all []verify.Library) {
	for _, name := range c.Libraries {
		all = append(all, verify.Library(name))
	}
	return all
}

// addLibraries asks the Python under trial for its client libraries: one that is missing is no case that
// could pass.
func addLibraries(ctx context.Context, q *trial.Request, libraries []verify.Library) error {
	if len(libraries) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	argv := []string{q.Toolchain.Python, "-I", "-c", installed}
	for _, l := range libraries {
		argv = append(argv, string(l))
	}
	cmd := q.Alone(ctx, argv, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"})
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var said struct {
		Found    map[string]string
		Packages []string
		Files    []string
	}
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	var status *exec.ExitError
	if errors.As(err, &status) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(status.Stderr)))
	}
	if err != nil {
		return fmt.Errorf("asking %s for its client libraries: %w", q.Toolchain.Python, err)
	}
	for _, name := range libraries {
		version := said.Found[string(name)]
		if version == "" || strings.Contains(version, ": ") {
			hint := fmt.Sprintf("install it: %s -m pip install '%s'", q.Toolchain.Python, name)
			if name == verify.Psql {
				hint = "install PostgreSQL's client, or build with -with=postgres"
			}
			return fault.New(fault.Usage, hint, "%s has no %s: %s", q.Toolchain.Python, name, version)
		}
		one := verify.Installed{Library: name, Version: strings.Map(versionOnly, version)}
		q.Libraries = append(q.Libraries, one)
	}
	q.Toolchain.Packages, q.Toolchain.Objects = said.Packages, said.Files
	return nil
}

// versionOnly keeps a version from writing lines of its own into a verdict.
func versionOnly(r rune) rune {
	if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune(" .+()-", r) {
		return r
	}
	return -1
}
