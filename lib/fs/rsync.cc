#include "lib/fs/rsync.h"

#include <unistd.h>

#include "lib/base/error.h"
#include "lib/sys/child.h"

namespace stasis::fs {
namespace {

constexpr int kNoSpace = 11;       // RERR_FILEIO
constexpr int kPartial = 23;       // RERR_PARTIAL: some files could not be read
constexpr int kVanished = 24;      // RERR_VANISHED

}  // namespace

void rsync(const RsyncJob& job, sys::Interrupts& interrupts) {
    sys::Command command;
    command.args = {"rsync", "-aHAXSx", "--numeric-ids", "--modify-window=-1", "--quiet"};
    if (job.link_to) command.args.push_back("--link-dest=" + job.link_to->string());
    if (job.exact) command.args.insert(command.args.end(), {"--checksum", "--delete"});
    sys::UniqueFd list;
    if (job.only) {
        command.args.insert(command.args.end(), {"--ignore-times", "--from0", "--files-from=-"});
        list = sys::memory_file("rsync-list");
        std::string text;
        for (const std::string& path : *job.only) text += path + '\0';
        sys::write_all(list.get(), text, "the list for rsync");
        (void)::lseek(list.get(), 0, SEEK_SET);
        command.in = list.get();
    }
    // "--" and absolute paths: no name can look like an option or a host.
    command.args.insert(command.args.end(), {"--", job.from.string() + "/", job.to.string() + "/"});
    if (job.lock_fd >= 0) command.descriptors.emplace_back(job.lock_fd, job.lock_fd);

    const sys::RunResult result = sys::run(command, &interrupts);
    const int code = result.status.exit_code.value_or(-1);
    if (code == 0 || (job.live && (code == kVanished || code == kPartial))) return;
    std::string last = result.err.substr(0, result.err.find('\n'));
    Error error(Kind::failed, "cannot copy '" + job.from.string() + "' to '" + job.to.string() + "': rsync ended with " +
                                  result.status.describe() + (last.empty() ? "" : ": " + last));
    if (code == kNoSpace && result.err.find("No space left") != std::string::npos)
        error.hint("free some space there, or name another store with --store or --dir");
    throw error;
}

}  // namespace stasis::fs
