package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// ReleaseFile stands in the list of every signed bundle: index.json says what the bundle is, and this which
// release of it.
const ReleaseFile = "release.json"

// Release is release.json. What a bundle is, its profile, floor and versions, stands in index.json, which
// the same list covers; this is apart from it because index.json is the same for every build, and this is
// not.
type Release struct {
	Format   int       `json:"format"`   // 1
	Name     string    `json:"name"`     // of the bundle
	Sequence int64     `json:"sequence"` // counts up with every release of a line
	Made     time.Time `json:"made"`     // when it was signed, in UTC and whole seconds
	Expires  time.Time `json:"expires"`  // after that nobody should begin to use it
}

// Valid is how long a release may be installed when nobody says otherwise.
const Valid = 365 * 24 * time.Hour

// newRelease is the release that is signed at now. Without a number of its own the seconds since 1970 count.
func newRelease(name string, sequence int64, now time.Time, valid time.Duration) Release {
	now = now.UTC().Truncate(time.Second)
	if sequence == 0 {
		sequence = now.Unix()
	}
	if valid == 0 {
		valid = Valid
	}
	return Release{Format: 1, Name: name, Sequence: sequence, Made: now, Expires: now.Add(valid)}
}

// Encode is the text of release.json.
func (r Release) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", " ")
	return append(text, '\n'), err
}

func parseRelease(text []byte) (*Release, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	r := &Release{}
	if err := d.Decode(r); err != nil {
		return nil, err
	}
	again, err := r.Encode()
	switch {
	case err != nil:
		return nil, err
	case r.Format != 1:
		return nil, fault.New(fault.BadSignature, "get a newer tlsfloor", "format %d is not known", r.Format)
	case !bytes.Equal(again, text):
		return nil, errors.New("it is not written as tlsfloor writes it")
	case r.Sequence < 1 || !r.Expires.After(r.Made):
		return nil, errors.New("it counts from 1, and ends after it begins")
	}
	return r, nil
}

// release reads which release it is, and refuses one that has expired. Bundles that were signed before
// there was such a file have none: they count as older than every other.
func (k *check) release(context.Context) error {
	if _, listed := k.sums[ReleaseFile]; !listed {
		return nil
	}
	text, err := k.read(ReleaseFile)
	if err != nil {
		return err
	}
	r, err := parseRelease(text)
	if err != nil {
		return fmt.Errorf("%s: %w", ReleaseFile, err)
	}
	if r.Name != k.Index.Name {
		return fmt.Errorf("%s is about another bundle, %q", ReleaseFile, r.Name)
	}
	k.Release = r
	if !k.Stale {
		return r.fresh(k.now())
	}
	return nil
}

func (k *check) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// fresh refuses a release that has expired at now. A clock that shows a time before the release was signed
// is wrong, and says nothing: then the release is as fresh as it was on that day.
func (r *Release) fresh(now time.Time) error {
	if r.Expires.IsZero() || now.Before(r.Expires) { // a repository says otherwise how long it holds
		return nil
	}
	return fault.New(fault.BadSignature, "take a newer release; if there is none, ask whoever publishes it to sign it again",
		"it has expired: release %d was signed to be used until %s, and it is %s", r.Sequence,
		r.Expires.Format(time.DateTime), now.UTC().Format(time.DateTime))
}

// Fresh refuses a release that had expired before another one was signed that was put in use here, whatever
// the clock says: one that has lost its time does not make an old release a fresh one.
func (k *Checked) Fresh(seen *Seen) error {
	if k.Release == nil {
		return nil
	}
	if err := k.Release.fresh(seen.Latest()); err != nil {
		return fmt.Errorf("bundle %s: %w", k.Index.Name, err)
	}
	return nil
}
