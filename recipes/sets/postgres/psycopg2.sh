#!/bin/sh
# Compiles psycopg2 into one shared module: psycopg2.sh SOURCE POSTGRESQL OPENSSL SITE-PACKAGES, in Python's build folder. libpq and our
# OpenSSL are in it, and it shows nothing of them.
set -eu
source=$1 postgresql=$2 openssl=$3 site=$4
version=$(sed -n 's/^Version: //p' "$source/METADATA")
number=$(sed -n 's/^#define PG_VERSION_NUM //p' "$postgresql/include/pg_config.h")
suffix=$(./python -E -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
info=$site/psycopg2-$version.dist-info

mkdir -p "$site/psycopg2" "$info"
cp "$source"/lib/*.py "$site/psycopg2"
cp "$source/METADATA" "$source/INSTALLER" "$source/LICENSE" "$info"
# typecast.c includes those of its kind.
files=$(ls "$source"/psycopg/*.c | grep -v /typecast_)
exec gcc -shared -fPIC -O2 -w -DNDEBUG -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fvisibility=hidden \
  -I. -IInclude -I"$source" -I"$postgresql/include" -DHAVE_LO64=1 "-DPSYCOPG_VERSION=$version (dt dec pq3 ext lo64)" "-DPG_VERSION_NUM=$number" \
  $files -o "$site/psycopg2/_psycopg$suffix" \
  "$postgresql/lib/libpq.a" "$postgresql/lib/libpgcommon_shlib.a" "$postgresql/lib/libpgport_shlib.a" "$openssl/lib/libssl.a" "$openssl/lib/libcrypto.a" \
  -lm -ldl -lpthread -Wl,--exclude-libs,ALL -Wl,-z,relro,-z,now
