#include "lib/ops/kernel_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/criu/criu.h"
#include "lib/criu/known_trouble.h"
#include "lib/ops/host.h"
#include "lib/ops/kernel_needs.h"

namespace stasis::ops {
namespace {

class KernelLook {
  public:
    KernelLook(Context& context, KernelConfig kernel)
        : context_(context), kernel_(std::move(kernel)), criu_(criu::find_binary(context.interrupts)) {
        result_.kernel = kernel_.release;
        result_.config = kernel_.source;
        result_.criu = criu_.version.text();
    }

    KernelCheck run(const std::string& target) {
        warn_of_kernel();
        add_host();
        if (!target.empty()) {
            add(resolve(context_, target));
        } else {
            for (const Target& running : all_running(context_)) try_to_add(running);
        }
        return std::move(result_);
    }

  private:
    void warn_of_kernel() {
        if (!kernel_.known())
            result_.warnings.push_back(
                "its configuration is neither in /boot nor in /lib/modules: only what is known of its version was "
                "looked at; name its package or its configuration as a file");
        if (criu::release_of(kernel_.release) < criu::release_of(this_host().kernel))
            result_.warnings.push_back("it is older than Linux " + this_host().kernel +
                                       ", which runs: a program may use something that it lacks");
        if (kernel_.known() && !kernel_.has("USERFAULTFD"))
            result_.warnings.push_back("it has no CONFIG_USERFAULTFD: nothing can be restored with --lazy");
    }

    /// What no target escapes, so that it is named on a host on which none runs, too.
    void add_host() {
        add_troubles({}, "");
        add_lacking({}, "");
    }

    void add(const Target& target) {
        target.adapter->require_known(target.container);
        context_.progress.step("looking at " + target.text());
        const Examination found = examine(context_, target, {});
        add_troubles({found.seen.has_network_sockets, has_glibc(found)}, target.text());
        add_lacking(kernel_features(found), target.text());
        result_.targets.push_back(target.text());
    }

    void try_to_add(const Target& target) {
        try {
            add(target);
        } catch (const Error& error) {
            if (error.kind() == Kind::interrupted) throw;
            add_problem(error.message(), error.hint(), target.text());
        }
    }

    void add_troubles(const criu::TroubledBy& troubled, const std::string& target) {
        for (const criu::KnownTrouble& trouble :
             criu::trouble_ahead(criu_.version, this_host().kernel, kernel_.release, troubled)) {
            const std::string remedy =
                trouble.fixed_in
                    ? fmt::format(
                          "install CRIU {} or newer before you boot it: scripts/setup does, beside the system's",
                          trouble.fixed_in->text())
                    : "boot a newer kernel than that, or start these programs anew under it";
            add_problem(fmt::format("CRIU {} on Linux {} {}", result_.criu, kernel_.release, trouble.what), remedy,
                        target);
        }
    }

    void add_lacking(const std::set<std::string>& features, const std::string& target) {
        for (const LackingOption& lacking : lacking_options(features, kernel_))
            add_problem(fmt::format("Linux {} is built without {}, which {} needs", kernel_.release, lacking.option,
                                    lacking.purpose),
                        "boot a kernel that has it, or have it built in", target);
    }

    /// One that is known already concerns this target, too; one of all is not repeated for each.
    void add_problem(const std::string& what, const std::string& remedy, const std::string& target) {
        const auto same = std::find_if(result_.problems.begin(), result_.problems.end(),
                                       [&](const KernelCheck::Problem& problem) { return problem.what == what; });
        if (same == result_.problems.end())
            result_.problems.push_back(
                {what, remedy, target.empty() ? std::vector<std::string>{} : std::vector{target}});
        else if (!same->targets.empty())
            same->targets.push_back(target);
    }

    Context& context_;
    const KernelConfig kernel_;
    const criu::Binary criu_;
    KernelCheck result_;
};

}  // namespace

KernelCheck check_for_kernel(Context& context, const std::string& kernel, const std::string& target) {
    KernelConfig config = read_kernel_config(kernel);
    require_root();
    return KernelLook(context, std::move(config)).run(target);
}

}  // namespace stasis::ops
