# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the check scripts share: running things as tests, booting, counting.

vhost=selftests/host/vhost
log=$(mktemp)
trap 'rm -f "$log"' EXIT
only=${TEST:-}
start=$SECONDS

say() { echo "==== $* ($((SECONDS - start)) s)"; }

# A command as one test
one() {	# DESCRIPTION COMMAND...
	local text=$1
	shift
	if "$@"; then echo "ok - $text"; else echo "not ok - $text"; fi | tee -a "$log"
}

in_root() { $vhost chroot "$@"; }

# Of the programs, those that TEST asks for
selected() {
	local program
	for program in "$@"; do
		case $program in
		*"$only"*) echo "$program" ;;
		esac
	done
}

# Settings that the programs inside read
passed_on() {
	local name
	for name in N SEED KIND REPEAT WARM DMA_ATTEMPTS TEST_TIME_LIMIT; do
		[ -z "${!name:-}" ] || echo "$name=${!name}"
	done
}

# boot DESCRIPTION VHOST_OPTIONS... -- MODULE PROGRAM...
boot() {
	local text=$1 options=() tap code=0
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	[ $# -gt 1 ] || return
	say "virtual host: $text"
	tap=$(mktemp)
	# shellcheck disable=SC2046 # names and numbers
	$vhost run "${options[@]}" -- env $(passed_on) selftests/in-vhost "$@" 2>&1 |
		tee "$tap"
	code=${PIPESTATUS[0]}
	cat "$tap" >>"$log"
	rm -f "$tap"
	one "virtual host ends well and its kernel log is clean: $text" test "$code" = 0
}

count() {
	local passed failed skipped
	failed=$(grep -c '^not ok' "$log")
	skipped=$(grep -cE '^ok .*# SKIP' "$log")
	passed=$(($(grep -c '^ok' "$log") - skipped))
	if [ "$failed" != 0 ]; then
		say "failed"
		grep '^not ok' "$log"
	fi
	say "done"
	if [ "$skipped" = 0 ]; then
		echo "$passed passed, $failed failed"
	else
		echo "$passed passed, $failed failed, $skipped skipped"
	fi
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
