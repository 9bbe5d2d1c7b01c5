package usage

import "time"

// developing is what works on the recipes and the project.
var developing = []Target{
	{
		Name: "profile", Group: Build,
		Doc: "trains and writes the profile of what Python runs often into a folder, with the lines " +
			"that pin it for this compiler in an overlay.",
		Flags: []Flag{
			profile.says("of which toolchain (default min-tls1_2)"),
			report.says("the folder (default: this one)"),
			prefix.says("base folder of the two prefixes, compiled in (default /opt)"),
			jobs, mirror, ours, store,
			optimize.says("pgo or pgo+lto (default: the profile's)"),
			sysroot, sandbox, deps, offline,
			quiet.says("print the lines only"),
		},
	},
	{
		Name: "bump", Group: Maintain,
		Doc: "looks for newer versions of what a profile pins, at upstream's places and in the " +
			"distribution's signed lists, checks their signatures, and writes them into the recipes " +
			"of this checkout. OpenSSL and Python stay in their series. It exits with 6 when a newer " +
			"version is signed by nobody whom its recipe trusts.",
		Flags: []Flag{
			list("Component", "comma-separated components (default: all)"),
			profile.says("whose versions (default min-tls1_2)"),
			out.says("the folder of the recipes (default recipes)"),
			mirror, ours, store, offline,
			must(period("Wait", "leave releases alone that are younger (default 72h)").otherwise("72h"),
				atLeast(time.Duration(0)), "such as -wait=72h; 0 waits for nothing",
				"-wait=%s: less than nothing"),
			must(period("Stale", "take lists that a mirror has not renewed, this long after their time "+
				"(default 0)"), atLeast(time.Duration(0)), "such as -stale=720h",
				"-stale=%s: less than nothing"),
			json, quiet, timeout,
		},
	},
	{
		Name: "rebuild", Group: Prove,
		Doc: "builds a profile again from nothing, in a world that differs in everything, and " +
			"compares all files. It exits with 4 when one differs.",
		Flags: []Flag{
			profile.says("what to build (default min-tls1_2)"),
			text("Vary", "how the second world differs: all (default), or some of path, time, "+
				"timezone, locale, umask ... (see docs/reproducible.md)").otherwise("all"),
			toggle("Each", "one rebuild for each variation instead of one under all: hours"),
			text("Against", "compare with somebody else's index.json or tarball instead of with a "+
				"first build"),
			report.says("write the report into this folder, as JSON and as a page"),
			text("Claim", "add the digests to this index.json, if all is equal and nothing was skipped"),
			kinds, release, maintainer,
			prefix.says("base folder of the two prefixes, compiled in (default /opt)"),
			jobs, mirror, ours, store, optimize, sysroot, with, sandbox, deps, offline, alloweol,
			json.says("events and report as JSON"),
			quiet.says("print the report only"),
			timeout,
		},
	},
	{
		Name: "bench", Group: Maintain,
		Doc: "times a cold build against the guide's flow by hand, for hours rather than minutes, " +
			"and writes docs/benchmarks.md.",
		Flags: []Flag{
			text("Suite", "build (default) or python").otherwise("build").likely("build", "python"),
			number("Rounds", "how often each flow runs (default 3)").otherwise("3"),
			jobs, mirror,
			store.says("folder of the store that sources come from"),
			deps, offline,
		},
	},
	{
		Name: "enter", Group: Build,
		Doc: "opens a shell in the environment of a step that failed.",
		Flags: []Flag{
			text("Step", "the step, such as build/openssl"),
			store,
		},
	},
	{
		Name: "check", Group: Maintain,
		Doc: "runs what to run before each commit: gofmt, go vet, staticcheck and the fast tests.",
		Flags: []Flag{
			quiet,
		},
	},
	{
		Name: "test", Group: Maintain,
		Doc: "runs everything that the project tests, the real build of the default profile included.",
		Flags: []Flag{
			toggle("Long", "the long tests too"),
			mirror, deps, quiet,
		},
	},
}
