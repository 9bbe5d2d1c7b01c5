package usage

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// completer asks a shell, which has read the script, how it would go on behind line.
type completer func(ctx context.Context, script, line string) *exec.Cmd

var completers = map[string]completer{
	"bash": func(ctx context.Context, script, line string) *exec.Cmd {
		return exec.CommandContext(ctx, "bash", "--norc", "-c",
			`source "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _tlsfloor; printf '%s\n' "${COMPREPLY[@]}"`,
			"bash", script, line)
	},
	"fish": func(ctx context.Context, script, line string) *exec.Cmd {
		return exec.CommandContext(ctx, "fish", "--no-config", "-c",
			"source "+quotedFish(script)+"; complete -C "+quotedFish(line))
	},
	// Only a zsh with a terminal completes: its own one for tests, in which ^X writes what the line has
	// become.
	"zsh": func(ctx context.Context, script, line string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "zsh", "-f", "-c", `zmodload zsh/zpty
zpty z zsh -i
zpty -w -n z "$1"$'\t\C-x'
while zpty -r z text; do
  print -r -- "$text"
  [[ $text == *LINE* ]] && break
done
zpty -d z`, "zsh", line)
		cmd.Env = append(os.Environ(), "TERM=dumb", "ZDOTDIR="+filepath.Dir(script))
		return cmd
	},
}

const zshrc = `autoload -Uz compinit
compinit -u -D
source $ZDOTDIR/script
unsetopt beep zle_bracketed_paste 2>/dev/null
show() { print -r -- "LINE${BUFFER}LINE" }
zle -N show
bindkey '^X' show
`

// answer reads what a shell said: the last word of the line as it would become, if there is one way for it,
// else as it was.
func answer(shell, line, said string) string {
	last := line[strings.LastIndexByte(line, ' ')+1:]
	var all []string
	for text := range strings.Lines(said) {
		word, _, _ := strings.Cut(strings.TrimSpace(text), "\t")
		switch m := lineShown.FindStringSubmatch(text); {
		case shell == "zsh" && m == nil || word == "":
			continue
		case shell == "zsh":
			word = strings.TrimSpace(m[1])
			word = word[strings.LastIndexByte(word, ' ')+1:]
		case shell == "bash": // it keeps what stands before the last = or :
			word = last[:strings.LastIndexAny(last, "=:")+1] + word
		}
		all = append(all, word)
	}
	if len(all) != 1 {
		return last
	}
	return all[0]
}

var lineShown = regexp.MustCompile(`LINE(.*)LINE`)

// written is the script for a shell, in a new folder.
func written(t *testing.T, shell string) (script string) {
	t.Helper()
	var b strings.Builder
	if err := WriteCompletion(&b, shell); err != nil {
		t.Fatal(err)
	}
	script = filepath.Join(t.TempDir(), "script")
	for name, text := range map[string]string{"script": b.String(), ".zshrc": zshrc} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(script), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return script
}

// TestCompletion has the shells that there are complete lines that go on in one way, or in none.
func TestCompletion(t *testing.T) {
	for _, shell := range Shells {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("this host has no %s", shell)
			}
			script, dir := written(t, shell), t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
				t.Fatal(err)
			}
			for line, want := range map[string]string{
				"tlsfloor bui":                      "build",
				"tlsfloor store:g":                  "store:gc",
				"tlsfloor bundle:ver":               "bundle:verify",
				"tlsfloor build -sa":                "-sandbox=",
				"tlsfloor build -off":               "-offline",
				"tlsfloor build -offline=f":         "-offline=false",
				"tlsfloor build -sandbox=n":         "-sandbox=none",
				"tlsfloor bundle -packages=deb,r":   "-packages=deb,rpm",
				"tlsfloor status rollback -t":       "-to=",
				"tlsfloor vendor -o=fo":             "-o=folder/",
				"tlsfloor build -recipes=/x,fo":     "-recipes=/x,folder/",
				"tlsfloor build -jobs=":             "-jobs=",
				"tlsfloor status -alloweo":          "-alloweo",           // build's
				"tlsfloor build -profile=min-tls1_": "-profile=min-tls1_", // there are two
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				cmd := completers[shell](ctx, script, line)
				cmd.Dir = dir
				said, err := cmd.Output()
				cancel()
				if got := answer(shell, line, string(said)); err != nil || got != want {
					t.Errorf("%s becomes %s, %v; want %s\n%s", line, got, err, want, said)
				}
			}
		})
	}
}

// TestCompletionIsWhole has bash offer everything: each target, and of each target each flag.
func TestCompletionIsWhole(t *testing.T) {
	script := written(t, "bash")
	for _, name := range append(Names(), "") {
		want := Names()
		line := "tlsfloor "
		if one, ok := Find(name); ok {
			line += name + " -"
			want = nil
			for _, f := range one.Flags {
				want = append(want, "-"+f.Name+map[bool]string{false: "="}[f.Kind == Switch])
			}
		}
		said, err := completers["bash"](t.Context(), script, line).Output()
		got := strings.Fields(string(said))
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q offers %q, %v; want %q", line, got, err, want)
		}
	}
	if err := WriteCompletion(&strings.Builder{}, "sh"); err == nil {
		t.Error("there is completion for a shell that has none")
	}
}
