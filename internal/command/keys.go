package command

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	tuf "github.com/tlsfloor/tlsfloor/artifacts/repository"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// publisher is who changes the repository that -to names, with the keys of -keys.
func (c *command) publisher(keys bool) (tuf.Publisher, error) {
	switch {
	case c.Target == "":
		return tuf.Publisher{}, fault.New(fault.Usage, "such as -to=/srv/www/tools, the repository's folder", "-to is missing")
	case keys && c.Keys == "":
		return tuf.Publisher{}, fault.New(fault.Usage, "the folder of private keys that keys:init made",
			"-keys is missing")
	}
	return tuf.Publisher{Dir: c.Target, Keys: c.Keys, TrustRoot: c.TrustRoot}, nil
}

var roleForm = regexp.MustCompile(`^([a-z]+)=([1-9][0-9]?)/([1-9][0-9]?)$`)

// roles reads such as root=2/3,targets=1/2 over what is usual.
func (c *command) roles() (map[string]tuf.Role, error) {
	all := map[string]tuf.Role{}
	for _, role := range tuf.Roles {
		all[role] = tuf.Role{Threshold: 1, Keys: 1}
	}
	all["root"] = tuf.Role{Threshold: 2, Keys: 3}
	for _, one := range c.Roles {
		m := roleForm.FindStringSubmatch(one)
		if m == nil || all[m[1]].Keys == 0 {
			return nil, fault.New(fault.Usage,
				"such as -roles=root=2/3,targets=2/2: two of three and two of two keys have to sign",
				"-roles: %q: not of that form, or no role", one)
		}
		threshold, _ := strconv.Atoi(m[2]) // digits
		keys, _ := strconv.Atoi(m[3])
		all[m[1]] = tuf.Role{Threshold: threshold, Keys: keys}
	}
	return all, nil
}

// keysInit makes a repository and the keys of its roles.
func (c *command) keysInit(ctx context.Context) error {
	p, err := c.publisher(true)
	if err != nil {
		return err
	}
	roles, err := c.roles()
	if err != nil {
		return err
	}
	if err := p.Init(ctx, roles); err != nil {
		return err
	}
	c.line("%s is a repository; its keys are in %s", p.Dir, p.Keys)
	c.line("%s/metadata/1.root.json is what others trust: give it to them by another way", p.Dir)
	return nil
}

// keysList tells of a repository's roles, keys and expiry.
func (c *command) keysList(context.Context) error {
	p, err := c.publisher(false)
	if err != nil {
		return err
	}
	all, err := p.List()
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(all)
	}
	for _, l := range all {
		c.line("%-10s version %-4d %d of %d keys sign   until %s", l.Role, l.Version,
			l.Threshold, len(l.Keys),
			l.Expires.Format(time.DateOnly))
		for _, id := range l.AtHand {
			c.line("    %s  in %s", id[:16], c.Keys)
		}
		for _, id := range l.Keys {
			if !slices.Contains(l.AtHand, id) {
				c.line("    %s", id[:16])
			}
		}
	}
	return nil
}

// keysRotate gives a role a new key in the place of another.
func (c *command) keysRotate(ctx context.Context) error {
	p, err := c.publisher(true)
	if err != nil {
		return err
	}
	if c.Role == "" {
		return fault.New(fault.Usage, "one of: "+strings.Join(tuf.Roles, ", "), "-role is missing")
	}
	done, err := p.Rotate(ctx, c.Role, c.Revoke)
	return c.rotated(p, done, err)
}

// keysSign shows a root.json that waits for signatures, and with -draft adds some.
func (c *command) keysSign(ctx context.Context) error {
	p, err := c.publisher(true)
	if err != nil {
		return err
	}
	if c.Draft == "" {
		draft, err := p.Draft()
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s: the new root.json changes\n", p.Dir)
		for _, line := range draft.Changes {
			fmt.Fprintf(c.out, "    %s\n", line)
		}
		return fault.New(fault.Usage,
			"if these are the changes that you were told of: -draft="+draft.Digest.String(),
			"nothing was signed: -draft is missing")
	}
	wanted, err := digest.Parse(c.Draft)
	if err != nil {
		return fault.New(fault.Usage, "keys:sign without -draft shows it", "-draft: %w", err)
	}
	done, err := p.Sign(ctx, wanted)
	return c.rotated(p, done, err)
}

// rotated says whether a new root.json is in force.
func (c *command) rotated(p tuf.Publisher, done bool, err error) error {
	switch {
	case err != nil:
		return err
	case done:
		c.line("%s: the new root.json is in force; whoever trusts an older one follows by itself",
			p.Dir)
	default:
		fmt.Fprintf(c.out, "%s: the new root.json waits for signatures of other keys, which keys:sign adds; "+
			"until then all is as before\n", p.Dir)
	}
	return nil
}

// keysRefresh signs again what expires first.
func (c *command) keysRefresh(ctx context.Context) error {
	p, err := c.publisher(true)
	if err != nil {
		return err
	}
	if err := p.Refresh(ctx); err != nil {
		return err
	}
	return c.keysList(ctx)
}
