#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::test {

using sys::Path;

/// A folder that vanishes with the object. In TMPDIR, else /tmp.
class TempDir {
  public:
    TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir();
    const Path& path() const { return path_; }
    Path operator/(const std::string& name) const { return path_ / name; }

  private:
    Path path_;
};

/// Creates or overwrites a file, and the folders above it.
void write(const Path& path, const std::string& text);
std::string read(const Path& path);
/// Flips one bit of a file in place; its size and inode stay.
void flip(const Path& path, std::size_t position);
mode_t mode_of(const Path& path);
bool exists(const Path& path);

bool is_root();

/// Neither a signal nor a deadline.
sys::Interrupts& nothing_interrupts();

/// The error that `body` throws; it must throw one.
template <typename Body>
Error error_of(Body body) {
    try {
        body();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("an error was expected, none was thrown");
}

bool contains(const std::string& text, const std::string& part);

/// Numbers of our own open descriptors.
std::vector<std::string> own_descriptors();
/// Those among them that a child gets as well: what our own starter left open.
std::vector<std::string> inherited_descriptors();

/// Sets or (empty value) unsets a variable, and puts it back.
class Environment {
  public:
    Environment(std::string name, const std::string& value);
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment();

  private:
    std::string name_;
    std::string before_;
    bool was_set_;
};

/// Everything that can be said of the entries of a tree, by their paths: type, mode, owner, size,
/// mtime to the nanosecond, device, link text, content, extended attributes, and which other names
/// of the tree the same file has. Written without the libraries under test.
std::map<std::string, std::string> describe_tree(const Path& root);

/// What `rsync --checksum --itemize-changes` would still do to make `copy` equal: "" for nothing.
std::string rsync_would_do(const Path& original, const Path& copy);

}  // namespace stasis::test
