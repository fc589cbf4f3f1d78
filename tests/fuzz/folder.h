#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "lib/sys/file.h"

namespace fuzz {

/// A folder in memory for as long as this lives.
class Folder {
  public:
    Folder() {
        std::string name = "/dev/shm/stasis-fuzz.XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder in memory");
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { stasis::sys::remove_tree(path_); }

    const stasis::sys::Path& path() const { return path_; }

  private:
    stasis::sys::Path path_;
};

}  // namespace fuzz
