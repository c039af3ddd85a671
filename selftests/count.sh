# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the check scripts share: running things as tests, booting, counting.

vhost=selftests/host/vhost
log=$(mktemp)
trap 'rm -f "$log"' EXIT
only=${TEST:-}
repeated=()	# what was tried again, and why
start=$SECONDS

say() { echo "==== $* ($((SECONDS - start)) s)"; }

# A command as one test
one() {	# DESCRIPTION COMMAND...
	local text=$1
	shift
	if "$@"; then echo "ok - $text"; else echo "not ok - $text"; fi | tee -a "$log"
}

in_root() { $vhost chroot "$@"; }

build_programs() {
	one "command and library build without a warning" \
		in_root make -s -j2 -f userspace/build.mk WERROR=-Werror
	one "tests build without a warning" \
		in_root make -s -j2 -f selftests/build.mk WERROR=-Werror
}

# Of the programs, those that TEST asks for
selected() {
	local program
	for program in "$@"; do
		case $program in
		*"$only"*) echo "$program" ;;
		esac
	done
}

# Of the tests of the module, those for the usual devices of a virtual host, and for odd ones
# t_fault is last, to fail what the others have only called
usual_tests() {
	selected build/tests/t_* | grep -vE '/t_(odd|reset|fault)$'
	selected build/tests/t_fault
}
odd_tests() { selected build/tests/t_{odd,reset}; }

# Settings that the programs inside read
passed_on() {
	local name
	for name in N SEED KIND ONLY SHORT REPEAT WARM DMA_ATTEMPTS IRQS STRESS_SECONDS TEST_TIME_LIMIT; do
		[ -z "${!name:-}" ] || echo "$name=${!name}"
	done
}

# One boot; its output goes to $tap, the exit code is the virtual host's.
boot_once() {	# MODULE PROGRAM...
	# shellcheck disable=SC2046 # names and numbers
	$vhost run "${options[@]}" -- env $(passed_on) selftests/in-vhost "$@" 2>&1 |
		tee "$tap"
	return "${PIPESTATUS[0]}"
}

# Names of the programs in $tap that failed
failed_programs() {
	sed -n -e 's/^not ok [0-9]* - \([a-z_]*\): .*/\1/p' \
		-e 's/^not ok - \([a-z_]*\) ran to its end/\1/p' "$tap" | sort -u
}

has_failed() { failed_programs | grep -qx "$(basename "$1")"; }

has_ended() { grep -q "^ok - $(basename "$1") ran to its end" "$tap"; }

# Only a program with guests fails for a reason that is not its own.
may_fail() {
	case ${guests:-}$1 in
	1*/e2e/*) ;;
	*)	return 1 ;;
	esac
}

# Of $again, those that failed in $tap and may
failed() {
	local program
	for program in "${again[@]}"; do
		may_fail "$program" && has_failed "$program" && echo "$program"
	done
}

# Those that did not come to their end, or failed and may
unfinished() {
	local program
	for program in "${again[@]}"; do
		if ! has_ended "$program" || { may_fail "$program" && has_failed "$program"; }; then
			echo "$program"
		fi
	done
}

# What the programs said so far does not count, unless it is a failure that may not be.
forget() {	# PROGRAM...
	local program words
	for program in "$@"; do
		words="ok"
		! may_fail "$program" || words="(not )?ok"
		sed -i -E "/^$words ([0-9]+ )?- $(basename "$program")(: | ran to )/d" "$tap"
	done
	grep -E '^(not )?ok' "$tap" >>"$log"
}

# What of $again gets one more boot after one that ended with $code; what it says the last
# time counts. The emulator may lose the whole virtual host (exit code 126 of vhost, which
# tells what it saw) or a guest (host/nested_svm.c): e2e programs that failed where $guests
# is set, or for which the time did not suffice (124), get a second chance, and a third if
# a guest was lost in that. Not where the kernel has complained (99). The end of the run
# tells of them.
once_more() {	# CHANCE
	case $code in
	99)	;;
	126)	unfinished | grep . || echo "${again[-1]}" ;;
	124)	[ -z "${guests:-}" ] || [ "$1" != 1 ] || unfinished ;;
	*)	[ -z "${guests:-}" ] ||
			{ [ "$1" != 1 ] && ! grep -q "^# .* DOES NOT ANSWER" "$tap"; } || failed ;;
	esac
}

# boot DESCRIPTION VHOST_OPTIONS... -- MODULE PROGRAM...
boot() {
	local text=$1 module options=() tap code=0 again=() chance why
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ $# -gt 2 ] || return
	module=$2
	shift 2
	say "virtual host: $text"
	tap=$(mktemp)
	boot_once "$module" "$@" || code=$?
	again=("$@")
	for chance in 1 2; do
		mapfile -t again < <(once_more "$chance")
		[ ${#again[@]} -gt 0 ] || break
		why="FAILED"
		[ "$code" != 126 ] || why="THE EMULATOR HAS LOST THE VIRTUAL HOST"
		say "$why, ONCE MORE: ${again[*]}"
		repeated+=("${again[*]} ($why)")
		grep '^not ok' "$tap"
		forget "${again[@]}"
		code=0
		boot_once "$module" "${again[@]}" || code=$?
	done
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
	grep 'DOES NOT ANSWER' "$log"
	[ ${#repeated[@]} = 0 ] || printf '==== tried again: %s\n' "${repeated[@]}"
	say "done"
	if [ "$skipped" = 0 ]; then
		echo "$passed passed, $failed failed"
	else
		echo "$passed passed, $failed failed, $skipped skipped"
	fi
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
