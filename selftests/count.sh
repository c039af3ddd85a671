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
usual_tests() { selected build/tests/t_* | grep -vE '/t_(odd|reset)$'; }
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

# Programs in $tap that did not come to their end
unfinished_programs() {	# PROGRAM...
	local program
	for program in "$@"; do
		grep -q "^ok - $(basename "$program") ran to its end" "$tap" || echo "$program"
	done
}

# What the programs said so far does not count.
forget() {	# PROGRAM...
	local program
	for program in "$@"; do
		sed -i -E "/^(not )?ok ([0-9]+ )?- $(basename "$program")(: | ran to )/d" "$tap"
	done
	grep -E '^(not )?ok' "$tap" >>"$log"
}

# The emulator may lose the whole virtual host (exit code 126 of vhost, which tells what
# it saw). What had not ended then gets one more boot, loudly.
boot_again() {	# MODULE PROGRAM...
	local module=$1 again
	shift
	mapfile -t again < <(unfinished_programs "$@")
	say "THE EMULATOR HAS LOST THE VIRTUAL HOST, ONCE MORE: ${again[*]}"
	forget "${again[@]}"
	code=0
	boot_once "$module" "${again[@]}" || code=$?
	return "$code"
}

# The emulator may lose a guest (host/nested_svm.c). Programs with guests that failed
# get one more boot, loudly, and so do those for which the time did not suffice then;
# what they say the last time counts. Not where the kernel has complained: that is never
# the emulator's.
once_more() {	# MODULE PROGRAM...
	local module=$1 program again=() failed
	shift
	failed=$(failed_programs)
	# 124: the time limit of the virtual host
	[ "$code" != 124 ] || failed+=$'\n'$(unfinished_programs "$@" | xargs -n 1 basename)
	for program in "$@"; do
		grep -qx "$(basename "$program")" <<<"$failed" && again+=("$program")
	done
	[ ${#again[@]} -gt 0 ] || return "$code"
	say "FAILED, ONCE MORE: ${again[*]}"
	grep '^not ok' "$tap"
	forget "${again[@]}"
	code=0
	boot_once "$module" "${again[@]}" || code=$?
	return "$code"
}

# boot DESCRIPTION VHOST_OPTIONS... -- MODULE PROGRAM...
# With $guests set, what failed gets a second chance, and a third if a guest was lost in that.
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
	boot_once "$@" || code=$?
	[ "$code" != 126 ] || boot_again "$@" || code=$?
	[ -z "${guests:-}" ] || [ "$code" = 99 ] || once_more "$@" || code=$?
	[ "$code" = 99 ] || [ "$code" = 124 ] || ! grep -q "^# .* DOES NOT ANSWER" "$tap" ||
		once_more "$@" || code=$?
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
