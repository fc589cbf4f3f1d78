# Sourced: one program of another Debian suite in a folder of its own, with the libraries that it was built
# against beside it, so that neither the system's apt nor its libraries are touched.
# shellcheck shell=bash
# shellcheck source=scripts/private-apt.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/private-apt.sh"

# install_into_prefix PREFIX SUITE PACKAGE PROGRAM [LIBRARY-PACKAGE...]: PROGRAM, a path below /usr, lands in
# PREFIX. Of what PACKAGE depends on, the shared libraries are taken; of the library packages, they alone.
install_into_prefix() {
    local prefix suite=$2 package=$3 program=$4 name folder deb
    prefix=$(realpath -m -- "$1") # absolute: it gets written into the program
    shift 4
    name=$(basename "$0")
    # Whatever is at PREFIX gets replaced: let that be nothing but an earlier run's work.
    folder=${program%/*}
    if [ -n "$(find "$prefix" -mindepth 1 -maxdepth 1 ! -name lib ! -name "$folder" 2>/dev/null)" ] ||
        [ -n "$(find "$prefix/$folder" -mindepth 1 ! -name "${program##*/}" 2>/dev/null)" ]; then
        echo "$name: $prefix holds other things than what this script installed; name another folder" >&2
        exit 2
    fi

    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/debs" "$work/root"
    private_apt_mirror || { echo "$name: apt knows no Debian mirror" >&2; exit 3; }
    private_apt_suite "$suite" "$work/apt"
    local closure
    mapfile -t closure < <(
        apt-cache "${private_apt[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
            --no-breaks --no-replaces --no-enhances "$package" |
            grep -E "^(lib[a-z0-9.+-]+|$package)\$" | sort -u)
    [ "${#closure[@]}" -gt 0 ] || { echo "$name: no package $package in $suite" >&2; exit 1; }
    (cd "$work/debs" && apt-get "${private_apt[@]}" -qq download "${closure[@]}" "$@")
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/root"
    done
    stage_program "$prefix" "$program"
}

# The last part of it: from $work/root to the prefix, at one stroke.
stage_program() {
    local prefix=$1 program=$2 staging=$1.new triplet folder loader
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
    rm -rf "$staging"
    mkdir -p "$staging/lib" "$staging/${program%/*}"
    for folder in lib usr/lib; do
        [ -d "$work/root/$folder/$triplet" ] || continue
        find "$work/root/$folder/$triplet" -maxdepth 1 -name '*.so*' -exec cp -a -t "$staging/lib" {} +
    done
    cp "$work/root/usr/$program" "$staging/$program"
    loader=$(basename "$(patchelf --print-interpreter "$staging/$program")")
    if [ ! -e "$staging/lib/$loader" ]; then
        find "$work/root" -name "$loader" -exec cp -L {} "$staging/lib/" \; -quit
    fi
    patchelf --set-interpreter "$prefix/lib/$loader" --force-rpath --set-rpath "$prefix/lib" "$staging/$program"

    rm -rf "$prefix.old"
    [ ! -e "$prefix" ] || mv "$prefix" "$prefix.old"
    mv "$staging" "$prefix"
    rm -rf "$prefix.old"
    "$prefix/$program" --version | head -n 1
}
