#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lib/sys/file.h"

namespace stasis::sys {

/// A file in a package, and its path there.
struct PackedFile {
    std::string name;
    std::string text;
};

/// The first file of a package (.deb, .rpm, or a tar) whose path `matches`. Nothing where there is none, and where
/// `package` is no such file. Throws Kind::failed where it is damaged before that.
std::optional<PackedFile> find_in_package(const Path& package, const std::function<bool(const std::string&)>& matches);

}  // namespace stasis::sys
