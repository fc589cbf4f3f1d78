#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/file_record.h"
#include "lib/move/channel.h"
#include "lib/sys/file.h"

namespace stasis::move {

/// Sends files, each as `prefix` + its name.
class FileSender {
  public:
    FileSender(Channel& channel, std::string prefix, sys::Interrupts& interrupts)
        : channel_(channel), prefix_(std::move(prefix)), interrupts_(interrupts) {}

    /// What comes next in this file. It ends where another one begins.
    void add(const std::string& name, std::string_view bytes);
    /// Sends the files of a folder that were not sent yet, but not those of folders in it.
    void send_rest(const sys::Path& folder);

  private:
    void send_file(const sys::Path& path);
    void begin(const std::string& name);
    void end();

    Channel& channel_;
    std::string prefix_;
    sys::Interrupts& interrupts_;
    std::set<std::string> sent_;
    std::string open_;  ///< the name of the one that has begun, or empty
};

/// Writes the file that the File frame `asked` announces below `root`, where its folder must be there and the file must
/// not. Its name comes from another machine: it can't leave `root`. Returns what was written. Throws Kind::failed.
FileRecord receive_file(Channel& channel, const File& asked, const sys::Path& root, sys::Interrupts& interrupts);

}  // namespace stasis::move
