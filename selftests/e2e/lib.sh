# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# End-to-end tests inside the virtual host: TAP, guests, the state of the host.

export PATH=/kassign/build/tools:/kassign/selftests/host:$PATH
export TERM=dumb

program=$(basename "$0")
nr=0 failed=0
echo "TAP version 13"

# t DESCRIPTION COMMAND...: one test; its output is shown when it fails
t() {
	local text=$1 out code=0 start=${EPOCHREALTIME/./} took
	shift
	out=$("$@" 2>&1) || code=$?
	nr=$((nr + 1))
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	if [ $code = 0 ]; then
		echo "ok $nr - $program: $text ($took ms)"
		[[ $out != *"guest: LOST"* ]] || printf '%s\n' "$out" | sed 's/^/# /'
		return
	fi
	failed=$((failed + 1))
	echo "not ok $nr - $program: $text ($took ms)"
	printf '%s\n' "exit code $code" "$out" | sed 's/^/# /'
	[ -z "${vital:-}" ] || answers "$vital" || give_up
}

# The guest that all is about (vital=NAME) is lost: nothing more can be learned.
give_up() {
	echo "# $program: GUEST $vital DOES NOT ANSWER, the rest is not run"
	guest inspect "$vital" 2>&1 | sed 's/^/# /'
	guest stop "$vital"
	eventually no_keepers
	echo "1..$nr"
	exit 1
}

done_testing() {
	echo "1..$nr"
	[ $failed = 0 ]
}

# The NIC with the peer 10.0.$1.1, by its MAC: names may change hands
nic() {
	local dir
	for dir in /sys/class/net/*; do
		grep -qs "52:54:00:00:0$1:02" "$dir/address" && basename "$dir"
	done
}

bdf_of() { basename "$(readlink "/sys/class/net/$1/device")"; }
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }

host_up() {
	ip addr replace "10.0.$2.2/24" dev "$1"
	ip link set "$1" up
}

# The first packet may be lost while the link comes up.
ping_peer() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		ping -q -c 1 -W 1 "10.0.$1.1" && return
	done
	ip -br addr
	return 1
}

# The guest's driver has the device a moment before it has the interface.
guest_up() {	# GUEST INTERFACE PEER
	guest exec "$1" "for i in \$(seq 100); do
		[ -e /sys/class/net/$2 ] && break; usleep 100000; done;
		ip addr add 10.0.$3.3/24 dev $2; ip link set $2 up"
}

guest_ping() {	# GUEST PEER [COUNT]
	guest exec "$1" "for i in 1 2 3 4 5 6 7 8; do
		ping -q -i 0.2 -c ${3:-1} -W 1 10.0.$2.1 && exit 0; done; exit 1"
}

# Value of one status field
status() { kassign status "$1" --json | jq -r ".[0].$2"; }

# Waits up to a minute for a command to succeed: machines differ by a factor of four.
eventually() {
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	"$@"
}

no_keepers() { ! pgrep -x kassign-keeper >/dev/null; }

no_pins() {
	local pinned
	pinned=$(pins)
	[ "$pinned" = 0 ] || { echo "$pinned pages are pinned"; return 1; }
}

# The emulator may lose a guest (host/nested_svm.c). It is told, loudly, with all there
# is to know, and the guest is started anew.
answers() { GUEST_TIMEOUT=30 guest exec "$1" true >/dev/null 2>&1; }

revive() {	# GUEST
	answers "$1" && return
	echo "# $program: GUEST $1 DOES NOT ANSWER"
	guest inspect "$1" 2>&1 | sed 's/^/# /'
	guest stop "$1"
	guest start "$@"
}

# Reboots a guest that was started with --reboot; up to SECONDS until it is up again.
reboot_guest() {	# GUEST SECONDS
	local i log=/run/guest/$1/console.log
	: >"$log"
	timeout 3 guest exec "$1" 'reboot -f' >/dev/null 2>&1 || :
	for ((i = 0; i < $2 * 10; i++)); do
		grep -qs 'GUEST READY' "$log" && return
		sleep 0.1
	done
	return 1
}

# Address of the first device with an id ("vendor:device")
by_id() { lspci -Dn -d "$1" | head -n 1 | cut -d' ' -f1; }

# What a driver in the guest makes appears a little later.
guest_has() {	# GUEST PATH
	guest exec "$1" "for i in \$(seq 300); do [ -e $2 ] && exit 0; usleep 100000; done; ls ${2%/*}; exit 1"
}

# The device is the host's, with its link and address, and works.
back_on_host() {	# BDF DRIVER PEER
	eventually has_driver "$1" "$2" || return
	[ ! -e "/run/kassign/$1.json" ] || eventually test ! -e "/run/kassign/$1.json"
	eventually no_pins && eventually ping_peer "$3"
}

has_driver() { [ "$(driver_of "$1")" = "$2" ]; }

module_reload() {
	eventually rmmod kassign && insmod "/kassign/build/${KASSIGN_BUILD:-newest}/kassign.ko"
}

# refused CODE TEXT COMMAND...: exit code and message as said
refused() {
	local code=$1 text=$2 out got=0
	shift 2
	out=$("$@" 2>&1) || got=$?
	printf '%s\n' "$out"
	[ "$got" = "$code" ] || { echo "exit code $got, not $code"; return 1; }
	grep -qF -- "$text" <<<"$out" || { echo "no '$text' in it"; return 1; }
}
