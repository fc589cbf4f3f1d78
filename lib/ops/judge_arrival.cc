#include "lib/ops/judge_arrival.h"

#include <fcntl.h>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/criu/criu.h"
#include "lib/criu/lazy_pages.h"
#include "lib/ops/fit.h"
#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

/// What the images need beside the memory itself: tables, and logs.
constexpr std::uint64_t kImageOverhead = 16 << 20;

/// The nearest folder above `path`, or itself, that is there.
Path existing(Path path) {
    while (!std::filesystem::exists(path)) path = path.parent_path();
    return path;
}

/// All that is in the way of a move to this host.
class Problems {
  public:
    explicit Problems(move::Verdict& verdict) : verdict_(verdict) {}

    void add(const std::string& what, const std::string& remedy) {
        move::Verdict::Problem& problem = *verdict_.add_problems();
        problem.set_what(what);
        problem.set_remedy(remedy);
    }
    /// What a step throws is a problem like others.
    template <typename Step>
    void try_step(Step step) {
        try {
            step();
        } catch (const Error& error) {
            if (error.kind() == Kind::interrupted) throw;
            add(error.message(), error.hint());
        }
    }

  private:
    move::Verdict& verdict_;
};

runtime::RestorePlan plan_of(const Comer& comer, const criu::Binary& criu) {
    constexpr mode_t kPrivate = 0600;
    runtime::RestorePlan plan;
    plan.name = comer.target.container;
    plan.lock_fd = comer.lock_fd;
    plan.logs = comer.folders.logs();
    plan.log_name = "arrival";
    plan.runtime_files = comer.folders.runtime();
    plan.details = comer.draft.runtime_details;
    plan.criu = criu.path;
    const sys::UniqueFd folder = sys::open_path(plan.runtime_files, O_RDONLY | O_DIRECTORY);
    for (const move::ExtraFile& file : comer.offer.runtime_files())
        sys::write_all(sys::open_beneath(folder.get(), file.name(), O_WRONLY | O_CREAT | O_EXCL, kPrivate).get(),
                       file.text(), file.name());
    return plan;
}

/// Returns how its CRIU is asked for the memory that follows, where that is known.
std::optional<pages::Layout> find_lazy_obstacle(const Comer& comer, const criu::Version& criu, Problems& problems) {
    std::string obstacle = comer.target.adapter->lazy_obstacle();
    if (obstacle.empty()) obstacle = criu::lazy_obstacle(comer.folders.images());
    const std::optional<pages::Layout> layout = pages::layout_of(criu);
    if (obstacle.empty() && !layout) obstacle = "stasis does not know how CRIU " + criu.text() + " asks for it";
    if (!obstacle.empty()) problems.add("its memory can't follow: " + obstacle, "move it without --mode post-copy");
    return layout;
}

void find_space(const Comer& comer, Problems& problems) {
    const auto compare = [&](const Path& folder, std::uint64_t needed, const std::string& what) {
        const std::uint64_t there = sys::free_bytes(folder);
        if (needed > there)
            problems.add(fmt::format("{} about {} MiB, and '{}' has {} MiB left", what, needed >> 20, folder.string(),
                                     there >> 20),
                         "free some space there");
    };
    const std::uint64_t images = comer.offer.memory_bytes() + comer.offer.memory_bytes() / 20 + kImageOverhead;
    compare(comer.folders.root, images, "the memory needs");
    if (comer.offer.shared_storage()) return;
    const auto compare_place = [&](const Path& path, std::uint64_t bytes) {
        if (path.is_absolute() && !std::filesystem::exists(path)) compare(existing(path), bytes, "its files need");
    };
    compare_place(comer.offer.rootfs(), comer.offer.rootfs_bytes());
    for (const move::Place& volume : comer.offer.volumes()) compare_place(volume.path(), volume.bytes());
}

/// Files that the container left here when it was moved away are replaced; others are not ours to touch.
void find_files_in_the_way(const Comer& comer, Problems& problems) {
    for (const Path& path : places_of(comer.offer)) {
        const bool is_there = std::filesystem::exists(std::filesystem::symlink_status(path));
        if (!path.is_absolute() || path.lexically_normal() != path || path == path.root_path())
            problems.add("'" + path.string() + "' can't be where its files belong", "");
        else if (comer.offer.shared_storage() && !std::filesystem::is_directory(path))
            problems.add("'" + path.string() + "' is not here, and its files were said to be on both hosts",
                         "mount the storage here, or move it without --shared-storage");
        else if (!comer.offer.shared_storage() && is_there && !comer.was_here)
            problems.add("'" + path.string() + "', where its files belong, is there already",
                         "move it out of the way, or remove it");
    }
}

}  // namespace

std::vector<Path> places_of(const move::Offer& offer) {
    std::vector<Path> paths{Path(offer.rootfs())};
    for (const move::Place& volume : offer.volumes()) paths.emplace_back(volume.path());
    return paths;
}

Judgement judge_arrival(Context& context, const Comer& comer, move::Verdict& verdict) {
    Judgement judged;
    Problems problems(verdict);
    problems.try_step([] { (void)sys::ask({"rsync", "--version"}); });
    if (!comer.target.adapter->restores())
        problems.add("'" + comer.target.text() + "' is no container", "only containers can be moved");
    if (comer.target.adapter->status(comer.target.container) != runtime::Status::absent)
        problems.add("there is a container '" + comer.target.text() + "' already",
                     "remove that one, or rename this one");
    find_space(comer, problems);
    find_files_in_the_way(comer, problems);
    problems.try_step([&] {
        const criu::Binary criu = criu::find_binary(context.interrupts);
        verdict.set_criu(criu.version.text());
        problems.try_step([&] { criu::check(criu, comer.folders.logs(), context.interrupts); });
        if (comer.offer.memory_follows()) judged.layout = find_lazy_obstacle(comer, criu.version, problems);
        judged.plan = plan_of(comer, criu);
        const Fit found = fit(comer.target, comer.draft, judged.plan, criu.version);
        for (const Misfit& misfit : found.misfits) problems.add(misfit.what, misfit.remedy);
        for (const std::string& warning : found.warnings) verdict.add_warnings(warning);
    });
    return judged;
}

}  // namespace stasis::ops
