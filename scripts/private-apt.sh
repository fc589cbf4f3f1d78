# Sourced: packages of any Debian suite, downloaded and never installed. Neither the system's apt nor its
# lists are touched. Mirror and keyring are those that this system's own apt uses.
# shellcheck shell=bash

# private_apt_mirror: sets $mirror and $keyring; 1 where apt knows no Debian mirror.
private_apt_mirror() {
    # shellcheck disable=SC2016  # apt's own variables
    read_target() {
        apt-get indextargets --format '$(REPO_URI)|$(SIGNED_BY)' \
            'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
            awk '!/^cdrom:/ && !target { target = $0 } END { print target }'
    }
    local target
    target=$(read_target)
    # apt names only what it has downloaded, and images often ship without its lists.
    [ -n "$target" ] || { apt-get -qq update; target=$(read_target); }
    [ -n "$target" ] || return 1
    mirror=${target%%|*}
    keyring=${target##*|}
    # apt leaves the variable as it stands where the source names no keyring of its own.
    [ -f "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
}

# private_apt_suite SUITE FOLDER: leaves apt's options for that suite, its lists in FOLDER, in $private_apt.
private_apt_suite() {
    local suite=$1 folder=$2
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/none"
    echo "deb [signed-by=$keyring] $mirror $suite main" >"$folder/sources.list"
    private_apt=(
        -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=-
        -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache"
        -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
        # Pins and a default release of the system's would have a say in a foreign suite.
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$folder/none" -o APT::Default-Release=
    )
    apt-get "${private_apt[@]}" -qq update
}
