package command

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/recipes/version"
	"github.com/tlsfloor/tlsfloor/verify"
)

// etc is the folder of this machine's administrator; a test has another.
var etc = sign.Etc

// bundleTrust is whose bundles are accepted: the keys of -key, or else of this machine's folder, as far as
// the administrator's policy trusts them.
func (c *command) bundleTrust() (bundle.Trust, error) {
	const bundles = "a bundle's tarball, its folder, or the https:// or oci:// address of one"
	if c.From == "" {
		return bundle.Trust{}, fault.New(fault.Usage, bundles, "no bundle is named: -from is missing, or the argument is empty")
	}
	if !strings.Contains(c.From, "://") && !exists(c.From) { // before anybody is asked for keys
		return bundle.Trust{}, fault.New(fault.Usage, bundles, "bundle %s: no such file or folder", c.From)
	}
	policy, err := sign.ReadPolicy(etc)
	if err != nil {
		return bundle.Trust{}, err
	}
	if c.isRepository() {
		if c.Unsigned || len(c.Key) > 0 {
			return bundle.Trust{}, fault.New(fault.Usage,
				"leave it out: a repository's root.json says whose keys count",
				"-from=%s is a repository: -key and -unsigned say nothing of it", c.From)
		}
		return bundle.Trust{}, nil // its own metadata vouches for what is in it
	}
	if c.Unsigned {
		if len(c.Key) > 0 {
			return bundle.Trust{}, fault.New(fault.Usage, "leave one of the two out", "-key and -unsigned contradict each other")
		}
		return bundle.Trust{Unsigned: true}, policy.Unsigned()
	}
	if policy != nil && policy.Threshold > 1 {
		return bundle.Trust{}, fault.New(fault.BadSignature, "install from a repository whose targets that many keys sign",
			"the policy of this machine wants %d signatures, and a bundle has one", policy.Threshold)
	}
	keys, err := c.trusted(policy)
	if err == nil && len(keys) == 0 {
		err = fault.New(fault.BadSignature, "name the public key of whoever signed it with -key=<file>, put it into "+sign.Folder+
			", or say -unsigned and trust the place that it came from (only on the command line: TLSFLOOR_UNSIGNED does not count)",
			"no key is trusted here: nobody can say whose bundle %s is", c.From)
	}
	return bundle.Trust{Keys: keys}, err
}

// trusted are the keys that have a say.
func (c *command) trusted(policy *sign.Policy) ([]sign.Key, error) {
	var named []sign.Key
	for _, path := range c.Key {
		k, err := sign.ReadKey(path)
		if err != nil {
			return nil, err
		}
		named = append(named, k)
	}
	if policy == nil && len(named) > 0 {
		return named, nil
	}
	folder, err := sign.FromFolder(strings.Replace(sign.Folder, sign.Etc, etc, 1))
	if err != nil {
		return nil, err
	}
	keys, err := policy.Trusted(folder)
	if err != nil || len(named) == 0 {
		return keys, err
	}
	return policy.Named(named, keys)
}

// asked holds a bundle against what was asked for, and against what this tlsfloor knows of its profile.
func (c *command) asked(set *recipes.Set, x *bundle.Index) error {
	if c.given["Profile"] && c.Profile != x.Claim.Profile {
		return fault.New(fault.BadSignature, "take a bundle of that profile, or say another -profile (TLSFLOOR_PROFILE)",
			"bundle %s: it is of profile %s, and %s was asked for", x.Name, x.Claim.Profile, c.Profile)
	}
	if named := namedIn(c.From); named != "" && named != x.Name {
		return fault.New(fault.BadSignature,
			"somebody has laid another bundle there: ask whoever publishes it, or take it from its own name",
			"bundle %s: it lies at the name of %s", x.Name, named)
	}
	floor, err := verify.ParseFloor(x.Floor)
	if err != nil {
		return err
	}
	least := c.Floor
	if p, err := set.Profile(x.Claim.Profile); err == nil && least == "" {
		least = string(p.Floor)
	}
	if least == "" {
		return nil // a profile of somebody else's recipes
	}
	want, err := verify.ParseFloor(least)
	if err != nil {
		return err
	}
	if floor < want {
		return fault.New(fault.BadSignature, "take a bundle with that floor", "bundle %s: its floor is TLS %s, and TLS %s is wanted",
			x.Name, x.Floor, least)
	}
	return nil
}

var bundleName = regexp.MustCompile(`^tlsfloor-.+-python-.+-linux-.+$`)

// namedIn is the name of a bundle that ends the place or address where it lies, or "": there, nothing else
// may lie, as old and other ones are well signed too.
func namedIn(from string) string {
	if u, err := url.Parse(from); err == nil && u.Scheme != "" {
		from = u.Path
	}
	last := path.Base(strings.TrimRight(from, "/"))
	last, _, _ = strings.Cut(last, "@")
	if _, tag, ok := strings.Cut(last, ":"); ok {
		last = tag
	}
	for _, end := range []string{string(archive.XZ), string(archive.Zstd)} {
		last = strings.TrimSuffix(last, end)
	}
	if !bundleName.MatchString(last) {
		return ""
	}
	return last
}

// older says what a bundle is older than: the newest release that was in use here, or the versions of the
// generation that is. It is "" for one that is as new.
func older(k *bundle.Checked, seen *bundle.Seen, site deploy.Site) string {
	var than []string
	if k.Key != nil {
		var sequence int64
		if k.Release != nil {
			sequence = k.Release.Sequence
		}
		if n, ok := seen.Newest(k.Index.Line(), k.Key.ID); ok && sequence < n.Sequence {
			than = append(than, fmt.Sprintf("release %d of %s, where this is %d", n.Sequence, n.Name, sequence))
		}
	}
	now, err := site.Generation(site.Current())
	if err != nil || now.Adopted {
		return strings.Join(than, "; ")
	}
	for _, name := range slices.Sorted(maps.Keys(now.Components)) {
		was, is := now.Components[name].Version, k.Index.Claim.Components[name].Version
		if is == "" || version.Compare(is, was) < 0 {
			than = append(than, fmt.Sprintf("%s %s of generation %d, where this has %s", name, was, now.Number, is))
		}
	}
	return strings.Join(than, "; ")
}

// fresh refuses a bundle that is older than what is in use, or was, unless that is wanted. It is called
// under the site's lock.
func (c *command) fresh(a *arrival) (downgrade string, err error) {
	seen, err := bundle.ReadSeen(a.site)
	if err != nil {
		return "", err
	}
	if err := a.Fresh(seen); err != nil {
		return "", err
	}
	than := older(a.Checked, seen, a.site)
	if than == "" {
		return "", nil
	}
	if !c.Downgrade {
		return "", fault.New(fault.BadSignature, "take the newest release, or say -downgrade if an older one is wanted",
			"bundle %s: it is older than %s", a.Index.Name, than)
	}
	c.sink.Warn("-downgrade: it is older than " + than)
	return than, nil
}
