
# What follows is the same in every script of the package. The trees of the package lie in $payload. A generation is made of hard links
# to them: what is in use does not change while a package manager replaces files, and stays until the one rename that switches.

set -eu
LC_ALL=C
export LC_ALL
umask 022
home=$base/.tlsfloor/$profile
modules=$base/.tlsfloor/modulefiles

fail() {
	echo "tlsfloor: $*" >&2
	exit 1
}

# ours refuses to work where somebody else could lead it elsewhere.
ours() {
	for dir in "$base" "$base/.tlsfloor" "$home"; do
		[ -d "$dir" ] && [ -O "$dir" ] || fail "$dir is not a folder of $(id -un)'s; give it to that user: chown"
		case $(ls -ldL "$dir") in
		?????w* | ????????w*) fail "others may write to $dir; run: chmod go-w $dir" ;;
		esac
	done
	for file in "$home/lock" "$home/trust" "$modules" "$modules/python-$profile"; do
		[ ! -L "$file" ] || fail "$file is a link; remove it, and install the package again"
	done
}

# proved tells whether generation $1 has a proof that passed, or stood there before tlsfloor.
proved() {
	! grep -q '^  "adopted": true' "$home/$1/generation.json" || return 0
	grep -q '"status": "pass"' "$home/$1/generation.json" || return 1
	for file in proof.json verdict.txt; do
		[ -f "$home/$1/$file" ] || continue
		sum=$(sha256sum <"$home/$1/$file")
		! grep -qE "\"(digest|verdict)\": \"${sum%% *}\"" "$home/$1/generation.json" || return 0
	done
	return 1
}

# lock keeps out other programs that switch generations here.
lock() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		mkdir -p "$home"
		ours
		exec 9>>"$home/lock"
		flock -w 600 9 || fail "another program holds $home/lock; try again when it has ended"
		# Whoever held it may have removed it: then the next one locks another file.
		[ "$(stat -c %d:%i - <&9)" != "$(stat -c %d:%i "$home/lock" 2>/dev/null)" ] || return 0
	done
	fail "others remove $home/lock as soon as they have it; try again"
}

# check refuses prefixes at which something else stands.
check() {
	for c in $components; do
		link=$base/${c#*:}
		if [ "$(readlink "$link" || :)" != ".tlsfloor/$profile/current/${c%%:*}" ] && { [ -e "$link" ] || [ -L "$link" ]; }; then
			fail "$link stands there, and $package did not put it there; move it away and install the package again"
		fi
	done
}

numbers() { ls "$home" | grep -x '[1-9][0-9]*' | sort -n || :; }

# mine tells whether generation $1 came with this package.
mine() { grep -q "\"package\": \"$package\"" "$home/$1/generation.json" 2>/dev/null; }

use() {
	rm -f "$home/.new-current"
	ln -s "$1" "$home/.new-current"
	mv -T "$home/.new-current" "$home/current"
	for c in $components; do
		[ -L "$base/${c#*:}" ] || ln -s ".tlsfloor/$profile/current/${c%%:*}" "$base/${c#*:}"
	done
}

# trust gives OpenSSL what this system trusts, unless somebody has decided what it trusts.
trust() {
	[ -e "$home/trust/cert.pem" ] && return
	for file in $anchors; do
		if [ -s "$file" ]; then
			mkdir -p "$home/trust"
			ln -sf "$file" "$home/trust/cert.pem"
			return
		fi
	done
	echo "tlsfloor: this system has no list of certificate authorities; $home/trust/cert.pem is where OpenSSL looks" >&2
}

write_module() {
	[ -e "$payload/modulefile" ] || return 0
	mkdir -p "$modules/python-$profile"
	cp "$payload/modulefile" "$modules/python-$profile/.new-module"
	mv -f "$modules/python-$profile/.new-module" "$modules/python-$profile/$python"
	remove_modules "$python"
}

# remove_modules removes the modulefiles that tlsfloor wrote, but for $1.
remove_modules() {
	for file in "$modules/python-$profile"/*; do
		if [ "${file##*/}" != "$1" ] && grep -q '^# Written by tlsfloor ' "$file" 2>/dev/null; then
			rm -f "$file"
		fi
	done
	rmdir "$modules/python-$profile" "$modules" 2>/dev/null || :
}

# listed prints what the lists in the folder $1 name, folders left out.
listed() {
	(
		cd "$1"
		for list in *.tree; do
			sed -n -e 's/^f [0-7]* [0-9]* [^ ]* "\(.*\)"$/\1/p' -e 's/^l "\(.*\)" "[^"]*"$/\1/p' "$list" | sed "s|^|${list%.tree}/|"
		done
		echo openssl/ssl/cert.pem
	)
}

# strangers prints the files in the folder $1 that nobody listed: those that come once.
strangers() {
	(
		listed "$1"
		listed "$1"
		cd "$1"
		for list in *.tree; do
			[ ! -d "${list%.tree}" ] || find "${list%.tree}" -name __pycache__ -prune -o ! -type d -print
		done
	) | sort | uniq -u
}

# dismantle removes what came with generation $1, and leaves what somebody else put there.
dismantle() {
	left=$(strangers "$home/$1")
	listed "$home/$1" | tr '\n' '\0' | (cd "$home/$1" && xargs -0 rm -f)
	for list in "$home/$1"/*.tree; do
		name=${list##*/}
		sed -n 's/^d "\(.*__pycache__\)"$/\1/p' "$list" | tr '\n' '\0' | (cd "$home/$1/${name%.tree}" 2>/dev/null && xargs -0 rm -rf) || :
	done
	find "$home/$1" -mindepth 1 -depth -type d -empty -delete
	if [ -n "$left" ]; then
		echo "tlsfloor: left in $home/$1, because they did not come with $package: $(echo "$left" | wc -l) files, the first is $(echo "$left" | head -n 1)" >&2
	fi
	(cd "$home/$1" && rm -f ./*.tree LICENSES.txt verdict.txt index proof.json proof.html generation.json)
	rmdir "$home/$1" 2>/dev/null || :
}

# enter makes a generation of what was unpacked, and switches to it.
enter() {
	[ -n "$verdict" ] || fail "$package was made without a proof, to be compared; it is not put in use"
	sum=$(sha256sum <"$payload/tree/verdict.txt")
	[ "${sum%% *}" = "$verdict" ] || fail "$payload/tree/verdict.txt is not what $package came with; install the package again"
	lock
	check
	rm -rf "$home"/.new-*
	trust
	now=$(readlink "$home/current" || :)
	if [ -n "$now" ] && [ "$payload/tree/$first.tree" -ef "$home/$now/$first.tree" ]; then
		use "$now"
		write_module
		return
	fi
	n=$(($(numbers | tail -n 1) + 1))
	cp -al "$payload/tree" "$home/.new-$n" 2>/dev/null || {
		rm -rf "$home/.new-$n"
		cp -a "$payload/tree" "$home/.new-$n"
	}
	created=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	sed -e "s/0001-01-01T00:00:00Z/$created/" -e "s/\"number\": 0/\"number\": $n/" -e "s/\"before\": 1/\"before\": ${now:-0}/" "$payload/generation.json" >"$home/.new-$n/generation.json"
	if [ -d "$home/.new-$n/openssl" ]; then
		mkdir -p "$home/.new-$n/openssl/ssl"
		ln -s ../../../trust/cert.pem "$home/.new-$n/openssl/ssl/cert.pem"
	fi
	sync -f "$home/.new-$n" 2>/dev/null || sync
	mv "$home/.new-$n" "$home/$n"
	use "$n"
	write_module
	for g in $(numbers); do
		if [ "$g" = "$n" ] || [ "$g" = "$now" ] || ! mine "$g"; then
			continue
		fi
		if [ -n "$(strangers "$home/$g")" ]; then
			echo "tlsfloor: generation $g of $profile is kept: somebody put files into it" >&2
		else
			dismantle "$g"
		fi
	done
}

# leave takes the generations of the package out of use and away.
leave() {
	[ -d "$home" ] || return 0
	lock
	other=
	unproved=
	for g in $(numbers); do
		if mine "$g"; then
			continue
		elif proved "$g"; then
			other=$g
		else
			unproved=$g
		fi
	done
	if [ -z "$other" ]; then
		[ -z "$unproved" ] || echo "tlsfloor: generation $unproved of $profile has no proof that passed, and is not put in use; prove it with: tlsfloor verify -to=$unproved" >&2
		for c in $components; do
			[ "$(readlink "$base/${c#*:}" || :)" != ".tlsfloor/$profile/current/${c%%:*}" ] || rm -f "$base/${c#*:}"
		done
		rm -f "$home/current"
		remove_modules ""
	elif mine "$(readlink "$home/current" || :)"; then
		use "$other"
		remove_modules ""
		echo "tlsfloor: generation $other of $profile, which did not come with $package, is in use" >&2
	fi
	for g in $(numbers); do
		! mine "$g" || dismantle "$g"
	done
	[ -e "$home/trust/trust.json" ] || rm -f "$home/trust/cert.pem"
	rmdir "$home/trust" 2>/dev/null || :
	[ -n "$other$unproved" ] || rm -f "$home/lock"
}

# purge removes what people decided, too.
purge() {
	[ -z "$(numbers 2>/dev/null)" ] || return 0
	rm -rf "$home/trust"
	rmdir "$home" "$base/.tlsfloor" 2>/dev/null || :
}
