#!/usr/bin/env bash
# Builds the image (Dockerfile) into an OCI archive, writes what it is made of beside it (SBOM, CycloneDX), and prints the
# archive's path as its last line.
#
#   VERSION=0.1.0 hack/image.sh
#
# VERSION is what the binary and the tag say; by default what git says. PLATFORM is such as linux/arm64; by default this
# machine's. GO_IMAGE is an image with Go to build in (Dockerfile says which by default). OUT is the directory of the archive.
# docker builds where an engine answers and buildx is there, and tags the image there, too; else podman; else buildah, on an
# image of this machine's own Go unless GO_IMAGE is set, which it pulls then.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"
# shellcheck source=hack/lib/image.sh
source "$root/hack/lib/image.sh"

cd "$root"
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo devel)}
platform=${PLATFORM:-linux/$(go env GOARCH)}
# The time of the sources, so that building them again gives the same image.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
tag=ghcr.io/apikey-operator/apikey-operator:$version
out=${OUT:-bin/image}
archive=$out/apikey-operator-$version$([[ -z ${PLATFORM:-} ]] || echo "-${PLATFORM//\//-}").tar
sbom=${archive%.tar}.cdx.json
mkdir -p "$out"

arguments=(
	--platform "$platform" --tag "$tag"
	--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
	--build-arg "SOURCE_DATE_EPOCH=$epoch"
)
[[ -z ${GO_IMAGE:-} ]] || arguments+=(--build-arg "GO_IMAGE=$GO_IMAGE")

build_with_docker() {
	# Attestations name the time of the build.
	docker build --provenance=false --sbom=false "${arguments[@]}" .
	docker save --output "$archive" "$tag" # an OCI archive since Docker 25
}

# Older versions of podman and buildah do not know by themselves where they build.
from_here=(--build-arg "BUILDPLATFORM=linux/$(go env GOHOSTARCH)")

build_with_podman() {
	podman build --timestamp "$epoch" "${from_here[@]}" "${arguments[@]}" .
	podman save --quiet --format oci-archive --output "$archive" "$tag"
}

# The modules come out of Go's cache on this machine, as from a proxy: the build has no network to ask another.
build_with_buildah() {
	lock "$(cache_dir)/buildah.lock"
	find_buildah
	arguments+=(--isolation chroot --timestamp "$epoch" --layers=false "${from_here[@]}" "${buildah_policy[@]}")
	if [[ -z ${GO_IMAGE:-} ]]; then
		local_go_image
		go mod download
		arguments+=(
			--pull-never --build-arg "GO_IMAGE=$local_image"
			--volume "$(go env GOMODCACHE)/cache/download:/modules:ro" --build-arg GOPROXY=file:///modules
		)
	fi
	"${buildah[@]}" build "${arguments[@]}" .
	"${buildah[@]}" push --quiet "${buildah_policy[@]}" "$tag" "oci-archive:$archive:$tag"
	"${buildah[@]}" rmi --force "$tag" >/dev/null
}

# write_sbom lists what the binary in the archive is made of, without serial number and time, so that the list is the same
# for the same image.
write_sbom() {
	local tools work
	tools=$(hack/build-tools.sh sbom)
	work=$(mktemp -d)
	file_from_archive "$archive" apikey-operator "$work"
	(cd "$work" && "$tools/cyclonedx-gomod" bin -json -std -noserial -notimestamp -version "$version" -output sbom.json apikey-operator)
	mv "$work/sbom.json" "$sbom"
	rm -rf "$work"
}

builder=$(image_builder)
rm -f "$archive" # nothing writes over one
say "image: building $tag for $platform with $builder"
"build_with_$builder" >&2
write_sbom >&2
say "image: $archive, $(($(wc -c <"$archive") / 1024)) KiB, $(archive_digest "$archive"); it is made of what $sbom lists"
printf '%s\n' "$archive"
