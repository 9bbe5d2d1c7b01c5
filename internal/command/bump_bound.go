package command

import (
	"context"
	"fmt"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/bump"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// bound reports why the candidate, whose bytes are in the store, is not shown to be a newer version than r:
// they are pinned already, its archive is of another version, or it was signed no later than what is pinned.
func (b *bumper) bound(ctx context.Context, r *recipes.Recipe, c bump.Candidate, signed fetch.Verdict) error {
	if was := b.set.Pinning(c.Source.SHA256); was != "" {
		return fault.New(fault.BadDigest, "an old release is served under a newer number: ask another place",
			"its bytes are those of %s", was)
	}
	file, err := b.store.Open(c.Source.SHA256)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := bump.Bound(ctx, file, c); err != nil {
		return err
	}
	return b.signedLater(ctx, r, signed)
}

// signedLater holds the time of the signature against that of the pinned version's. That one's file may be
// gone from where it was: the archive's folder has to do then, which the same signature is over.
func (b *bumper) signedLater(ctx context.Context, r *recipes.Recipe, signed fetch.Verdict) error {
	old := r.Sources[0]
	if !signed.Good() || old.Signature == nil {
		return nil
	}
	old.Alternatives = nil
	was, err := b.Fetch(ctx, fetchSource(&old))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		b.sink.Warn(fmt.Sprintf("the age of its signature is not compared with that of %s %s: %v", r.Name,
			r.Version, err))
		return nil
	}
	if at := was.Signature.Time; !signed.Time.After(at) {
		return fault.New(fault.BadSignature, "an old release may be served under a newer number: look at it",
			"it was signed at %s, and %s at %s", signed.Time.UTC().Format(time.RFC3339), r.Version,
			at.UTC().Format(time.RFC3339))
	}
	return nil
}
