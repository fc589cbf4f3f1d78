#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/file_record.h"
#include "lib/fs/changes.h"
#include "lib/fs/rsync.h"

namespace stasis::fs {

/// An earlier copy of the same tree whose unchanged files are shared by hard links.
struct Parent {
    Path folder;
    FileRecords records;
    std::set<std::string> written{};  ///< files that were being written when the copy was made, by relative path
};

/// A copy of a live tree that is exact in the end: a first pass while everything runs, a second
/// one for what changed meanwhile while the tree stands still. Time stamps decide what changed,
/// except for files that are being written: a page of a shared mapping that is already dirty takes
/// further writes without a new time stamp, so those are compared by content: the ones of now, of when the copy began,
/// and of when the parent was made.
class TreeCopy {
  public:
    TreeCopy(Path from, Path to, std::optional<Parent> parent, int lock_fd);

    /// The first pass takes as long as rsync does, unless there is little to copy; there is other work to do meanwhile.
    /// `written`: paths relative to the tree that any task has open for writing or mapped shared
    /// and writable. Files that are not in the tree are fine.
    void start_first_pass(const std::set<std::string>& written);
    void finish_first_pass(sys::Interrupts& interrupts);
    /// The same, with those that are written now.
    void second_pass(const std::set<std::string>& written, sys::Interrupts& interrupts);

    /// Checksums of the copy, complete after the second pass.
    const FileRecords& records() const { return records_; }
    /// The files in the copy that were being written in the second pass: for a later copy's Parent.
    const std::set<std::string>& written() const { return written_; }
    /// Bytes of files that share their inode with the parent's.
    std::uint64_t shared_bytes() const;

  private:
    void copy_again(const std::vector<std::string>& paths, sys::Interrupts& interrupts);

    Path from_;
    Path to_;
    std::optional<Parent> parent_;
    int lock_fd_;
    Before before_;
    std::optional<Rsync> first_pass_;
    FileRecords records_;
    std::set<std::string> suspects_;               ///< of the first pass, for the second one
    std::set<std::string> written_;                ///< of the second pass
    Copied copied_;                                ///< between the passes
    std::map<std::string, std::uint64_t> shared_;  ///< sizes of the files that share their inode with the parent's
};

}  // namespace stasis::fs
