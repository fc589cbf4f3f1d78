#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace stasis::runtime {

/// A database of BoltDB, as podman up to version 4 keeps what it knows in (go.etcd.io/bbolt, page.go and bucket.go;
/// file version 2, little-endian). It is a tree of buckets, which hold values and further buckets by key.
class BoltDatabase {
  public:
    /// `bytes` is the whole file. Throws Kind::failed where they are no such database.
    explicit BoltDatabase(std::string bytes);

    /// The values that lie in the bucket to which `path` leads from the root; empty where there is no such bucket.
    /// Throws Kind::failed for a broken file.
    std::map<std::string, std::string> values(const std::vector<std::string>& path) const;

  private:
    struct Entry {
        bool is_bucket;
        std::string_view value;
    };
    using Entries = std::map<std::string, Entry>;

    std::string_view page(std::uint64_t number) const;
    Entries bucket(std::string_view value) const;
    void collect(std::string_view page, int depth, Entries& entries) const;

    std::string bytes_;
    std::uint32_t page_size_ = 0;
    std::uint64_t root_ = 0;
};

}  // namespace stasis::runtime
