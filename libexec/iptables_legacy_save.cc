/// What CRIU finds as `iptables-legacy-save` and `ip6tables-legacy-save`, where `iptables-save` is the one of
/// nf_tables, whose rules CRIU saves by a library. It asks for their version, and has them save the rules of iptables'
/// older kind unless they are of nf_tables as well (4.2.1, criu/util.c: get_legacy_iptables_bin()). Most network
/// namespaces have no tables of that kind: four programs less, started while the container stands still.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "libexec/next.h"

namespace {

/// Empty, or not there at all, where there are none.
bool has_tables(const char* list) {
    const int fd = ::open(list, O_RDONLY | O_CLOEXEC);
    char byte;
    return fd >= 0 ? ::read(fd, &byte, 1) != 0 : errno != ENOENT;
}

}  // namespace

int main(int argc, char** argv) {
    const bool six = std::string_view(argv[0]).find("ip6") != std::string_view::npos;
    const bool asks_version = argc == 2 && argv[1] == std::string_view("-V");
    if (!asks_version || has_tables(six ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names"))
        stasis::libexec::become_next(argv);
    std::puts("no tables of iptables-legacy here: all there is is nf_tables'");
}
