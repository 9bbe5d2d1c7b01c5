package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// train runs the training commands twice, each time from no counts at all, and installs what the compiler's
// instrumentation counted (GCC's .gcda files, below GCOV_PREFIX). Both trainings run with whatever address
// randomisation, clock and process ids they meet: counts that depend on those differ, and are an error.
func (j *job) train(ctx context.Context, list []recipes.Command, env []string) error {
	if len(list) == 0 {
		return nil
	}
	var runs [2]string
	for i := range runs {
		runs[i] = "train" + strconv.Itoa(i)
	}
	if err := j.trainings(ctx, list, env, runs[:]); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return j.fail(list[0].Argv, env, err) // once, although both have failed alike
	}
	differ, err := unequal(filepath.Join(j.work, runs[0]), filepath.Join(j.work, runs[1]))
	if err != nil {
		return j.fail(list[0].Argv, env, err)
	}
	if len(differ) > 0 {
		return j.untrained(list, env, differ)
	}
	counts := j.inside(srcDir) // below the training's folder: GCOV_PREFIX goes before the absolute path
	err = move(filepath.Join(j.work, runs[0]), counts, filepath.Join(j.work, destDir), j.step.Prefix)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the training counted nothing: is the program compiled with -fprofile-generate?")
	}
	if err != nil {
		return j.fail(list[0].Argv, env, err)
	}
	return nil
}

// trainings runs them at the same time if there is a second job to be had while the first one runs.
func (j *job) trainings(ctx context.Context, list []recipes.Command, env []string, runs []string) error {
	g, ctx := errgroup.WithContext(ctx)
	first, gone := context.WithCancel(ctx)
	g.Go(func() error {
		defer gone()
		return j.training(ctx, list, env, runs[0])
	})
	g.Go(func() error {
		if j.jobs.acquire(first, j.ways[j.step.Recipe.Name]) == nil {
			defer j.jobs.release()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return j.training(ctx, list, env, runs[1])
	})
	return g.Wait()
}

func (j *job) training(ctx context.Context, list []recipes.Command, env []string, name string) error {
	if err := os.Mkdir(filepath.Join(j.work, name), 0o755); err != nil {
		return err
	}
	prefix := "GCOV_PREFIX=" + j.inside(name)
	env = append(slices.Clone(env), prefix)
	for _, c := range list {
		if err := j.command(ctx, c.Argv, env, name); err != nil {
			return err
		}
	}
	return nil
}

// untrained is the error of two trainings that counted differently.
func (j *job) untrained(list []recipes.Command, env, differ []string) error {
	shown := differ[:min(len(differ), 8)]
	err := fmt.Errorf("two trainings counted differently, so that nobody could build the same twice: %d files, %s", len(differ), strings.Join(shown, ", "))
	err = j.fail(list[0].Argv, env, err)
	return fault.New(fault.Failed, "pin a profile for this compiler in "+j.step.Recipe.Name+".yaml of an overlay (see docs/reproducible.md), or build with -optimize=none; "+
		fault.HintOf(err), "%w", err)
}

// unequal lists the files that the folders a and b do not have alike.
func unequal(a, b string) ([]string, error) {
	left, err := contents(a)
	if err != nil {
		return nil, err
	}
	right, err := contents(b)
	if err != nil {
		return nil, err
	}
	var differ []string
	for name := range left {
		same, err := equal(filepath.Join(a, name), filepath.Join(b, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if !same {
			differ = append(differ, name)
		}
	}
	for name := range right {
		if !left[name] {
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	return differ, nil
}

func contents(dir string) (map[string]bool, error) {
	names := map[string]bool{}
	err := plain(dir, func(rel string, d fs.DirEntry) error {
		if !d.Type().IsRegular() {
			return fmt.Errorf("the training left a link, %q, among its counts", rel)
		}
		names[rel] = true
		return nil
	})
	return names, err
}

// equal compares two files of counts, which are small.
func equal(a, b string) (bool, error) {
	left, err := readFile(a)
	if err != nil {
		return false, err
	}
	right, err := readFile(b)
	return err == nil && bytes.Equal(left, right), err
}
