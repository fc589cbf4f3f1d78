# Sourced after common.sh: a firewall in the network namespace of the container $ID, of both kinds that Linux has.
# shellcheck shell=bash

in_netns() { nsenter -t "$(container_pid "$ID")" -n "$@"; }

firewall_set() {
    in_netns nft -f - <<<'table ip kept { chain input { type filter hook input priority 0; tcp dport 81 drop; }; }'
    in_netns iptables-legacy -A INPUT -p tcp --dport 82 -j DROP
    in_netns ip6tables-legacy -A INPUT -p tcp --dport 83 -j DROP
}

firewall_is_set() {
    [[ $(in_netns nft list ruleset) == *"tcp dport 81 drop"* ]] || fail "the rule of nftables is gone"
    [[ $(in_netns iptables-legacy-save) == *"--dport 82 -j DROP"* ]] || fail "the rule of iptables is gone"
    [[ $(in_netns ip6tables-legacy-save) == *"--dport 83 -j DROP"* ]] || fail "the rule of ip6tables is gone"
}
