# Functions for scripts that build images where there may be no container engine and no registry. To be sourced after
# cache.sh and fetch.sh.
# shellcheck shell=bash

# image_builder prints what builds images here: docker where an engine answers (its client alone is no use) and there is
# BuildKit's client, without which it knows neither mounts nor platforms; podman; or buildah.
image_builder() {
	if command -v docker >/dev/null && docker info >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
		echo docker
	elif command -v podman >/dev/null; then
		echo podman
	else
		echo buildah
	fi
}

# find_buildah sets the array buildah to the command of a buildah that needs no engine, no registry and no settings of the
# machine: the system's, or Debian's and Ubuntu's package, unpacked into the cache and not installed.
find_buildah() {
	local cache etc
	((EUID == 0)) || die "buildah is run as root here; install docker or podman to build images as another user"
	cache=$(cache_dir)/buildah
	etc=$cache/etc
	mkdir -p "$cache/tmp" "$etc"
	if from_system buildah >/dev/null; then
		buildah=("$(from_system buildah)")
	else
		unpacked_buildah "$cache"
	fi
	# Nothing is pulled, so that nothing is to be trusted or to be looked up.
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$etc/policy.json"
	echo 'unqualified-search-registries = []' >"$etc/registries.conf"
	: >"$etc/containers.conf"
	export CONTAINERS_CONF=$etc/containers.conf TMPDIR=$cache/tmp
	buildah+=(--root "$cache/storage" --runroot "$cache/runroot" --storage-driver overlay --registries-conf "$etc/registries.conf")
	buildah_policy=(--signature-policy "$etc/policy.json")
}

# unpacked_buildah CACHE sets buildah to the one of the packages. It starts itself again without the environment, so that it
# finds its libraries by the linker's cache alone: one is put in that place, for it alone to see.
unpacked_buildah() {
	from_deb "$1/deb" buildah buildah >/dev/null ||
		die "neither docker with an engine, nor podman, nor buildah was found: install one of them and try again"
	PATH=$PATH:/sbin ldconfig -X -C "$1/ld.so.cache" $(find "$1/deb" -name '*.so.*' -printf '%h\n' | sort -u)
	# shellcheck disable=SC2016 # the inner shell expands it
	buildah=(unshare --mount sh -c 'mount --bind "$0" /etc/ld.so.cache && exec "$@"' "$1/ld.so.cache"
		"$(find "$1/deb" -type f -path '*bin/buildah')")
}

# local_go_image sets local_image to the name of an image of this machine's Go, shell and CA certificates, which it makes
# where it is missing: what the Dockerfile wants of GO_IMAGE, for a machine without a registry.
local_go_image() {
	local tree
	local_image=localhost/go-toolchain:$(go env GOVERSION GOHOSTOS GOHOSTARCH | paste -sd -)
	! "${buildah[@]}" inspect --type image "$local_image" >/dev/null 2>&1 || return 0
	say "image: making $local_image of $(go env GOROOT)"
	tree=$(mktemp -d)
	copy_with_libraries "$tree" sh cp mkdir chmod touch find
	install -D -m 0644 "$(ca_certificates)" "$tree/etc/ssl/certs/ca-certificates.crt"
	mkdir -p "$tree/tmp" "$tree/usr/local"
	cp -a "$(go env GOROOT)" "$tree/usr/local/go"
	commit_tree "$tree" "$local_image"
	rm -rf "$tree"
}

# copy_with_libraries TREE PROGRAM...: programs of this machine and the libraries that they are linked to.
copy_with_libraries() {
	local tree=$1 program file
	shift
	for program in "$@"; do
		file=$(command -v "$program")
		install -D "$(readlink -f "$file")" "$tree/bin/$program"
		for file in $(ldd "$file" | grep -o '/[^ ]*'); do
			install -D "$(readlink -f "$file")" "$tree$file"
		done
	done
}

# ca_certificates prints where this machine keeps them.
ca_certificates() {
	local file
	for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
		[[ ! -s $file ]] || { echo "$file" && return; }
	done
	die "no CA certificates were found (Debian and Ubuntu: apt-get install ca-certificates)"
}

# commit_tree DIR NAME makes an image of a directory, in which a shell finds Go.
commit_tree() {
	local container
	container=$("${buildah[@]}" from scratch)
	"${buildah[@]}" copy --quiet "$container" "$1" / >/dev/null
	"${buildah[@]}" config --env PATH=/usr/local/go/bin:/bin "$container"
	"${buildah[@]}" commit --quiet --rm "${buildah_policy[@]}" "$container" "$2" >/dev/null
}

# archive_digest FILE prints the digest of the image in an OCI archive.
archive_digest() {
	tar -xOf "$1" index.json | grep -o 'sha256:[0-9a-f]*' | head -n 1
}

# file_from_archive FILE NAME DIR unpacks a file of the image in an OCI archive into DIR, in whichever layer it is.
file_from_archive() {
	local blob
	for blob in $(tar -tf "$1" | grep '^blobs/.*/.'); do
		tar -xOf "$1" "$blob" >"$3/layer"
		! tar -xf "$3/layer" -C "$3" "$2" 2>/dev/null || break
	done
	rm "$3/layer"
	[[ -f $3/$2 ]] || die "$1 holds no $2"
}
