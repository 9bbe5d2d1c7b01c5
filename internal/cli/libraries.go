package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/verify"
)

// checkLibraries reads -libraries and -mongodb, before minutes are spent on controls.
func (c *command) checkLibraries() error {
	names, err := verify.ParseLibraries(c.Libraries)
	if err != nil {
		return fault.New(fault.Usage, "such as -libraries=urllib3,botocore", "-libraries: %w", err)
	}
	backed := false
	for _, l := range names {
		if backed = backed || l.Backed(); l.Backed() && c.MongoDB == "" {
			return fault.New(fault.Usage, "start a MongoDB or FerretDB without TLS on this machine, and add -mongodb=127.0.0.1:27017: the judge's TLS stands before it",
				"-libraries=%s: it needs a server that speaks its protocol", l)
		}
	}
	if c.MongoDB == "" {
		return nil
	}
	if !backed {
		return fault.New(fault.Usage, "add -libraries=pymongo", "-mongodb: nothing asks for it")
	}
	_, c.MongoDB, err = ownServer("-mongodb", c.MongoDB)
	return err
}

// backends are the servers behind the judge's TLS.
func (c *command) backends() map[verify.Library]string {
	return map[verify.Library]string{verify.PyMongo: c.MongoDB, verify.PyMongoOCSP: c.MongoDB}
}

// installed is what a Python says of a library: its version, or why it cannot be imported, and where its packages are.
const installed = `import importlib, json, site, sys
found = {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name.partition("[")[0])
        if name == "pymongo[ocsp]":
            importlib.import_module("pymongo.pyopenssl_context")
        found[name] = getattr(module, "__version__", None) or module.version
    except Exception as e:
        found[name] = "%s: %s" % (type(e).__name__, e)
print(json.dumps({"found": found, "packages": site.getsitepackages()}))`

// libraries asks the Python for the client libraries that it has: one that is missing is no case that could pass.
func (c *command) libraries(ctx context.Context, b rig, o *verify.Options) error {
	if len(c.Libraries) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := b.launch(ctx, append([]string{c.Python, "-I", "-c", installed}, c.Libraries...), []string{"PATH=/usr/bin:/bin", "LC_ALL=C"})
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var said struct {
		Found    map[string]string
		Packages []string
	}
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	var status *exec.ExitError
	if errors.As(err, &status) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(status.Stderr)))
	}
	if err != nil {
		return fmt.Errorf("asking %s for its client libraries: %w", c.Python, err)
	}
	for _, name := range c.Libraries {
		version := said.Found[name]
		if version == "" || strings.Contains(version, ": ") {
			return fault.New(fault.Usage, fmt.Sprintf("install it: %s -m pip install '%s'", c.Python, name), "%s has no %s: %s", c.Python, name, version)
		}
		o.Libraries = append(o.Libraries, verify.Installed{Library: verify.Library(name), Version: version})
	}
	o.Toolchain.Packages = said.Packages
	return nil
}
