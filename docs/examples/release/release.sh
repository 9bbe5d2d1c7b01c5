#!/bin/sh
# A release: no known hole in what is pinned, then build, prove, sign, publish and read back. It wants
#   SIGNING_KEY  the text of the private key, from the pipeline's secrets
#   KEY          the file of the public key
#   OSV          a folder of advisories
#   TO           where to publish: a folder, or oci://registry.example/tools/python:1.0
# and takes tlsfloor from TLSFLOOR, the profile from PROFILE, and the folder for the bundle from OUT.
set -eu
tlsfloor=${TLSFLOOR:-tlsfloor}
profile=${PROFILE:-min-tls1_2}
out=${OUT:-artifacts/out}

"$tlsfloor" audit:pins -osv="$OSV" -profile="$profile" -severity=high
"$tlsfloor" bundle -profile="$profile" -osv="$OSV" -sign=env:SIGNING_KEY -key="$KEY" -out="$out"
for bundle in "$out"/tlsfloor-"$profile"-*; do
  "$tlsfloor" publish "$bundle" -to="$TO" -key="$KEY"
done
