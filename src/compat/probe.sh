#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# probe.sh HAVE.H KERNEL PROBE.c... -- CC FLAGS...
# Writes a header with HAVE_<NAME> for every probe that compiles; KERNEL is the version
# that is said there. All failing would mean the compiler call is wrong, so
# probes/always.c must pass.
set -eu

out=$1
kernel=$2
shift 2
probes=
while [ "$1" != -- ]; do
	probes="$probes $1"
	shift
done
shift

{
	echo "/* Made by src/compat/probe.sh for $kernel: do not edit */"
	for probe in $probes; do
		name=$(basename "$probe" .c | tr '[:lower:]' '[:upper:]')
		if "$@" -Werror -c -o /dev/null \
		   "$probe" 2>/dev/null; then
			echo "#define HAVE_$name 1"
		else
			echo "/* no HAVE_$name */"
		fi
	done
} > "$out.tmp"

grep -q 'define HAVE_ALWAYS' "$out.tmp" || {
	echo "probe.sh: cannot compile anything against these headers:" >&2
	"$@" -c -o /dev/null \
		"$(dirname "$0")/probes/always.c" >&2 || :
	exit 1
}
mv "$out.tmp" "$out"
