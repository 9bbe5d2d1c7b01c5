package verify

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Host is what a program of this machine does where the subject must refuse: an extra control, which shows a
// reader what the toolchain is better than. It differs from machine to machine, so no verdict rests on it.
type Host struct {
	Who     Who    `json:"who"`
	Case    string `json:"case"`
	Got     string `json:"got"`
	Below   bool   `json:"below"`             // it came to speak a version below the floor
	Problem string `json:"problem,omitempty"` // why it could not be tried
}

// hearHost tries the host's programs with the cases whose control is a weak peer.
func (c *court) hearHost(ctx context.Context, findings []Finding) (all []Host) {
	type trial struct {
		offer Offer
		name  string
	}
	var trials []trial
	for _, f := range findings {
		o := f.Case.Offer
		o.Who = map[Who]Who{Python: HostPython, OpenSSL: HostOpenSSL}[o.Who]
		if c.subjects[o.Who] == nil || o.Act.Static() || o.Act == Listen || o.Setup.Library != "" || f.Case.Residual || f.Case.Role == Trust || o.Version >= wire.Version(c.Floor) {
			continue
		}
		trials = append(trials, trial{o, f.Case.Name})
	}
	all = make([]Host, len(trials))
	var wait sync.WaitGroup
	turns := make(chan struct{}, 4)
	for i, t := range trials {
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			got := c.try(ctx, t.offer)
			below := got.Got.accepted() && got.Got.Version < wire.Version(c.Floor)
			all[i] = Host{t.offer.Who, t.name, got.Got.String(), below, got.Problem}
		})
	}
	wait.Wait()
	return all
}

// hostLines say for each of the host's programs where it goes below the floor.
func (p *Proof) hostLines() (lines []string) {
	for _, who := range []Who{HostPython, HostOpenSSL} {
		var tried, below []string
		for _, h := range p.Hosts {
			if h.Who == who && h.Problem == "" {
				tried = append(tried, h.Case)
				if h.Below {
					below = append(below, h.Case)
				}
			}
		}
		if len(tried) > 0 {
			lines = append(lines, fmt.Sprintf("%s, for comparison, goes below the floor in %d of %d cases: %s", who, len(below), len(tried), strings.Join(below, ", ")))
		}
	}
	return lines
}
