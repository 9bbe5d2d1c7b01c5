package usage

// shipping is what leaves the machine, and what arrives.
var shipping = []Target{
	{
		Name: "bundle:write", Alias: "bundle", Group: Ship,
		Doc: "writes what was built into artifacts/out, to publish or to carry elsewhere: tarballs, " +
			"SBOM, provenance, proof, digests, signatures.",
		Flags: []Flag{
			sign,
			key.says("the public key, a PEM file; needed with exec: only"),
			sequence,
			must(number("Valid", "-sign: days for which it may be installed (default 365)").otherwise("365"),
				atLeast(1), "-valid is a number of days", "-valid=%d: too small"),
			osv,
			kinds.says("deb, rpm or both: write packages of the same trees too"),
			release, maintainer,
			text("PGPKey", "sign the packages with this OpenPGP secret key: an armored file, or env:NAME"),
			out.says("the folder that gets the bundle's folder (default artifacts/out)").once(),
			profile.says("what to bundle (default min-tls1_2)"),
			prefix.says("base folder of the two prefixes, compiled in (default /opt)"),
			jobs.says("compilers and packers at the same time (default: every core)"),
			mirror, ours, store, optimize,
			sysroot.says("build against the libc of this older suite, so that the result runs there " +
				"too (default: this host's)"),
			with, sandbox, deps, offline, alloweol,
			json.says("events and result as JSON"),
			quiet, timeout,
		},
	},
	{
		Name: "bundle:verify", Group: Ship,
		Doc:       "holds a bundle against its keys, its digests and its proof, and installs nothing.",
		Arguments: []Flag{text("From", "")},
		Flags: []Flag{
			key,
			unsigned.says("hold digests and proof against what the bundle itself says, whoever made it"),
			profile.says("the profile that it has to be of (default: any)"),
			floor,
			trustroot.says("of a repository: its trusted root.json (default: the one in " +
				"/etc/tlsfloor/roots.d)"),
			store.says("folder for the copy that is checked"),
			sysroot.says("from a repository: the bundle for this older suite"),
			with.says("from a repository: the bundle with these optional sets"),
			ours, offline, json,
		},
	},
	{
		Name: "publish", Group: Ship,
		Doc: "puts a bundle where others take it from, a folder or a registry, whole or not at all, " +
			"and reads it back. The argument is the bundle's folder. Other bytes than those that are " +
			"there are never published under the same name.",
		Arguments: []Flag{text("From", "")},
		Flags: []Flag{
			keys.says("when -to is a repository that keys:init made: the folder of private keys"),
			trustroot.says("of a repository: the trusted root.json, where the folder of keys has " +
				"none yet"),
			sequence.says("of an unsigned bundle in a repository: its number (default: the time, in " +
				"seconds)"),
			target.says("a folder, or a registry (TLSFLOOR_TARGET): oci://HOST/REPOSITORY[:TAG] " +
				"(default tag: the bundle's name); who you are there is read from where docker login " +
				"has put it"),
			key,
			unsigned.says("publish it although no trusted key has signed it"),
			store.says("folder for what is needed in between"),
			offline,
			json.says("events and result as JSON"),
			quiet, timeout,
		},
	},
	{
		Name: "keys:init", Group: Ship,
		Doc: "makes a repository, from which others install by The Update Framework, and the keys of " +
			"its roles.",
		Flags: []Flag{
			target.says("the repository's folder, such as one of a web server or a share"),
			keys.says("the new folder for the private keys, on the medium that they live on"),
			list("Roles", "how many of how many keys sign, such as targets=2/2 (default: root=2/3, "+
				"others 1/1)"),
		},
	},
	{
		Name: "keys:list", Group: Ship,
		Doc: "shows the roles of a repository, their keys, how many have to sign and until when the " +
			"signatures hold.",
		Flags: []Flag{
			target,
			keys.says("a folder of private keys: which of them are there"),
			json, trustroot,
		},
	},
	{
		Name: "keys:rotate", Group: Ship,
		Doc: "gives a role a new key and revokes the old one: a new root.json, signed by old and new " +
			"root keys.",
		Flags: []Flag{
			target,
			keys.says("the folder of private keys, which gets the new one"),
			text("Role", "whose key: root, targets, snapshot or timestamp").
				likely("root", "targets", "snapshot", "timestamp"),
			text("Revoke", "how the ID of the key begins that goes; keys:list shows them (default: "+
				"the only one)"),
			trustroot,
		},
	},
	{
		Name: "keys:sign", Group: Ship,
		Doc: "shows what a new root.json changes that waits for signatures, and with -draft adds " +
			"other keys' ones.",
		Flags: []Flag{
			target, keys,
			text("Draft", "the SHA-256 digest of the root.json that is signed, as shown without it").
				spokenOnly(),
			trustroot,
		},
	},
	{
		Name: "keys:refresh", Group: Ship,
		Doc: "signs snapshot and timestamp of a repository again, and targets where it is about to " +
			"expire.",
		Flags: []Flag{
			target,
			keys.says("the folder of private keys"),
			json, trustroot,
		},
	},
	{
		Name: "install", Group: Ship,
		Doc: "installs a bundle that was built elsewhere: checks it, unpacks it, proves it here, and " +
			"switches to it. It needs no compiler.",
		Flags: []Flag{
			from.says("the bundle: its folder, a tarball in it, the https address of one of these, " +
				"or oci://HOST/REPOSITORY:TAG"),
			trustroot.says("-from=tuf+https://...: its root.json, a file or a name in " +
				"/etc/tlsfloor/roots.d"),
			sysroot.says("from a repository: the bundle for this older suite"),
			with.says("from a repository: the bundle with these optional sets"),
			key,
			unsigned.says("install it although no trusted key has signed it"),
			profile.says("the profile that it has to be of (default: any; from a repository min-tls1_2)"),
			floor,
			toggle("Downgrade", "install it although something newer is in use, or was; it is noted").
				spokenOnly(),
			toggle("Unproved", "rely on the proof that it brings where the weak peers are missing that "+
				"prove it here; it is noted").spokenOnly(),
			prefix.says("base folder of the two prefixes (default: the one compiled in)"),
			root.says("stage into this image's root folder"),
			trust.says("what OpenSSL trusts by default: host, mozilla or both (default: as before, " +
				"else host)"),
			cafiles, check,
			store.says("folder for what is needed in between"),
			sandbox.says("auto (default), require or none: where the proof runs"),
			mirror.says("comma-separated folders and URLs to look for Mozilla's list of CAs first"),
			ours, offline, adopt,
			json.says("events and result as JSON"),
			quiet, timeout,
		},
	},
}
