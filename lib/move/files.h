#pragma once

#include <string>

#include "lib/base/file_record.h"
#include "lib/move/channel.h"
#include "lib/sys/file.h"

namespace stasis::move {

/// Sends the files of a folder, but not those of folders in it, as `prefix` + name.
void send_files(Channel& channel, const sys::Path& folder, const std::string& prefix, sys::Interrupts& interrupts);

/// Writes the file that the File frame `asked` announces below `root`, where its folder must be there and the file must
/// not. Its name comes from another machine: it can't leave `root`. Returns what was written. Throws Kind::failed.
FileRecord receive_file(Channel& channel, const File& asked, const sys::Path& root, sys::Interrupts& interrupts);

}  // namespace stasis::move
