#include "lib/ops/check.h"

#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/ops/host.h"
#include "lib/ops/network_lock.h"
#include "lib/ops/selftest.h"

namespace stasis::ops {
namespace {

std::string one_line(const Error& error) {
    std::string text = error.message();
    for (const std::string& line : error.details()) text += "; " + line;
    return text;
}

Finding check_kernel() {
    constexpr int kOldestMajor = 5;
    constexpr int kOldestMinor = 10;
    const std::string release = this_host().kernel;
    int major = 0;
    int minor = 0;
    (void)std::sscanf(release.c_str(), "%d.%d", &major, &minor);
    return {"kernel", std::pair(major, minor) >= std::pair(kOldestMajor, kOldestMinor), true, release,
            fmt::format("stasis needs Linux {}.{} or newer", kOldestMajor, kOldestMinor)};
}

Finding check_program(const std::string& name, bool required, const std::string& purpose) {
    sys::Command command;
    command.args = {name, "--version"};
    try {
        const std::string out = sys::run(command).out;
        return {name, true, required, sys::first_line(out), ""};
    } catch (const Error&) {
        return {name, false, required, "not found", "install the package " + name + ": " + purpose};
    }
}

Finding check_nftables() {
    return {"nftables", has_nftables(), false, has_nftables() ? "found" : "not found",
            "install the package nftables: it closes a container's network while it stands still, "
            "and opens it again when CRIU dies"};
}

/// Memory tracking and user faults make later features faster; nothing here depends on them.
Finding check_userfaultfd() {
    const bool there = ::access("/proc/sys/vm/unprivileged_userfaultfd", F_OK) == 0;
    return {"userfaultfd", there, false, there ? "found" : "not found",
            "a kernel with CONFIG_USERFAULTFD can restore lazily"};
}

}  // namespace

std::vector<Finding> check_host(Context& context) {
    std::vector<Finding> findings{check_kernel()};
    findings.push_back({"root", ::geteuid() == 0, true, ::geteuid() == 0 ? "yes" : "no", "run it with sudo"});
    findings.push_back(check_program("rsync", true, "it copies root file systems"));
    findings.push_back(check_program("pigz", false, "files in a container's tmpfs take gzip ten times as long"));
    findings.push_back(check_program("runc", false, "without it only process trees and other runtimes' containers"));
    findings.push_back(check_nftables());
    findings.push_back(check_userfaultfd());
    try {
        const criu::Binary criu = criu::find_binary(context.interrupts);
        findings.push_back({"CRIU", true, true, criu.version.text() + " (" + criu.path.string() + ")", ""});
        if (::geteuid() != 0) return findings;
        context.progress.step("dumping and restoring a small process");
        run_selftest(criu, context.interrupts);
        findings.push_back(
            {"self-test", true, true, "processes with a socket, a pipe and a timer were dumped and restored", ""});
    } catch (const Error& error) {
        if (error.kind() == Kind::interrupted) throw;
        findings.push_back({error.kind() == Kind::precondition ? "CRIU" : "self-test", false, true, one_line(error),
                            error.hint().empty() ? "a newer CRIU may work: run scripts/setup" : error.hint()});
    }
    return findings;
}

TargetCheck check_target(Context& context, const std::string& name, const Wishes& wishes) {
    require_root();
    const Target target = resolve(context, name);
    require_restorable(target);
    const Clock::time_point began = Clock::now();
    Examination found = examine(context, target, wishes);
    return {target.text(), std::move(found), microseconds_between(began, Clock::now())};
}

std::vector<OneOfAll> check_all(Context& context, const Wishes& wishes) {
    require_root();
    std::vector<OneOfAll> all;
    for (const Target& target : all_running(context)) {
        OneOfAll& one = all.emplace_back(OneOfAll{target.text(), {}, {}});
        context.progress.step("looking at " + one.target);
        try {
            one.check = check_target(context, one.target, wishes);
        } catch (const Error& error) {
            if (error.kind() == Kind::interrupted) throw;
            one.error = error;
        }
    }
    return all;
}

}  // namespace stasis::ops
