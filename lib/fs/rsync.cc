#include "lib/fs/rsync.h"

#include "lib/base/error.h"
#include "lib/sys/unlinked.h"

namespace stasis::fs {
namespace {

constexpr int kNoSpace = 11;   // RERR_FILEIO
constexpr int kPartial = 23;   // RERR_PARTIAL: some files could not be read
constexpr int kVanished = 24;  // RERR_VANISHED

}  // namespace

Rsync::Rsync(const RsyncJob& job, sys::Running running)
    : what_("cannot copy '" + job.from.string() + "' to '" + job.to.string() + "'"),
      live_(job.live),
      running_(std::move(running)) {}

Rsync Rsync::start(const RsyncJob& job) {
    sys::Command command;
    command.args = {"rsync", "-aHAXSx", "--numeric-ids", "--modify-window=-1", "--quiet"};
    if (job.link_to) command.args.push_back("--link-dest=" + job.link_to->string());
    if (job.exact) command.args.insert(command.args.end(), {"--checksum", "--delete"});
    // "--" and absolute paths: no name can look like an option or a host.
    command.args.insert(command.args.end(), {"--", job.from.string() + "/", job.to.string() + "/"});
    if (job.lock_fd >= 0) command.descriptors.emplace_back(job.lock_fd, job.lock_fd);
    return Rsync(job, sys::start_unlinked(std::move(command), job.exact ? job.to : job.from));
}

void Rsync::finish(sys::Interrupts& interrupts) {
    const sys::RunResult result = running_.finish(&interrupts);
    const int code = result.status.exit_code.value_or(-1);
    if (code == 0 || (live_ && (code == kVanished || code == kPartial))) return;
    const std::string last = sys::first_line(result.err);
    Error error(Kind::failed,
                what_ + ": rsync ended with " + result.status.describe() + (last.empty() ? "" : ": " + last));
    if (code == kNoSpace && result.err.find("No space left") != std::string::npos)
        error.hint("free some space there, or name another store with --store or --dir");
    throw error;
}

void rsync(const RsyncJob& job, sys::Interrupts& interrupts) { Rsync::start(job).finish(interrupts); }

}  // namespace stasis::fs
