#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "lib/pages/names.h"
#include "lib/sys/file.h"

namespace stasis::pages {

/// Where the memory in a folder of images lies: in its own pages, or in those of the images that it builds upon.
///
/// CRIU looks for pages that have kInParent in the folder `parent` below the images (4.2.1, criu/image.c:
/// open_parent(), which takes a folder as well as a link), and for what is not there in the `parent` below that.
class Chain {
  public:
    static constexpr const char* kFolder = "parent";

    /// A `pages-N.img` of one of the folders.
    struct File {
        sys::Path folder;
        std::uint32_t pages_id = 0;
    };
    /// Pages that follow each other in a task and in a file.
    struct Run {
        std::uint64_t address = 0;
        std::uint64_t pages = 0;
        std::size_t file = 0;     ///< of files()
        std::uint64_t first = 0;  ///< the number of its first page in the file

        std::uint64_t end() const;
    };
    using Runs = std::map<ImageId, std::vector<Run>>;  // by address

    /// Reads the pagemaps. Throws Kind::damaged where pages are nowhere.
    explicit Chain(const sys::Path& images);

    const std::vector<File>& files() const { return files_; }
    const Runs& runs() const { return runs_; }
    /// Where the pages from this address on lie; nothing where there is none at it.
    std::optional<Run> find(const ImageId& id, std::uint64_t address) const;

  private:
    Runs load(const sys::Path& images);

    std::vector<File> files_;
    Runs runs_;
};

}  // namespace stasis::pages
