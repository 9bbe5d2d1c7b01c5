#!/bin/sh
# Audits folders for the end of an image's build, or a login: gate.sh ACCEPTED FOLDER...
#
# ACCEPTED lists what is known and accepted, one "<file> <library>" in a line. What is not on it is printed, and ends in 3.
# TLSFLOOR names the program.
set -eu
accepted=$1
shift
[ -r "$accepted" ] || { echo "gate: $accepted cannot be read" >&2; exit 2; }
found=$(mktemp)
trap 'rm -f "$found"' EXIT
for folder in "$@"; do
  [ -d "$folder" ] || continue
  status=0
  "${TLSFLOOR:-tlsfloor}" audit:env "$folder" >"$found.txt" 2>/dev/null || status=$?
  case $status in
  0 | 3 | 9) ;;
  *) echo "auditing $folder: exit status $status" >&2; rm -f "$found.txt"; exit "$status" ;;
  esac
  # A finding is a line that begins with its verdict, and the next one says what it is.
  awk '/^(below|unknown|unseen) /{file=$0; sub(/^[a-z]+ +/, "", file); getline; sub(/:.*/, ""); sub(/^ +/, ""); print file " " $1}' "$found.txt" >>"$found"
  rm -f "$found.txt"
done
new=$(LC_ALL=C sort -u "$found" | grep -vxFf "$accepted") || [ $? -eq 1 ] || exit 2
[ -z "$new" ] && exit 0
printf 'TLS stacks that may go below the floor, and are not on %s:\n%s\n' "$accepted" "$new"
exit 3
