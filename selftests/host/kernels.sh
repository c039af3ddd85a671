# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The distribution's kernels below ROOT. Tests ask for one by a prefix of its version, or
# for the newest, whatever its version is today: backports move on.

# All, oldest first
kernels() {	# ROOT
	find "$1/lib/modules/" -mindepth 1 -maxdepth 1 ! -name '*-debug' -printf '%f\n' |
		sort -V
}

# The newest whose version starts with NAME, or of all when NAME is "newest"; nothing
# when there is none
find_kernel() {	# ROOT NAME
	kernels "$1" | awk -v p="$2" \
		'p == "newest" || $0 == p || index($0, p ".") == 1' | tail -n 1
}
