#include "lib/runtime/bolt.h"

#include <cstring>
#include <optional>
#include <utility>

#include "lib/base/error.h"

namespace stasis::runtime {
namespace {

constexpr std::uint32_t kMagic = 0xED0CDAED;
constexpr std::uint32_t kVersion = 2;
constexpr std::uint16_t kBranchPage = 1;
constexpr std::uint16_t kLeafPage = 2;
constexpr std::uint32_t kBucketEntry = 1;
/// A page of 4 KiB has a hundred branches: no tree is as deep, but for one that bites its tail.
constexpr int kDeepest = 16;

struct PageHeader {
    std::uint64_t number;
    std::uint16_t flags;
    std::uint16_t count;
    std::uint32_t overflow;
};
struct BranchEntry {
    std::uint32_t position;  ///< of the key, from this entry
    std::uint32_t key_size;
    std::uint64_t page;
};
struct LeafEntry {
    std::uint32_t flags;
    std::uint32_t position;  ///< of the key, from this entry; the value follows it
    std::uint32_t key_size;
    std::uint32_t value_size;
};
struct BucketHeader {
    std::uint64_t root;  ///< 0 where its only page follows
    std::uint64_t sequence;
};
struct Meta {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t page_size;
    std::uint32_t flags;
    BucketHeader root;
    std::uint64_t free_list;
    std::uint64_t next_page;
    std::uint64_t transaction;
    std::uint64_t checksum;  ///< of all before it
};

Error broken() { return Error(Kind::failed, "podman's database is broken, or of an unknown kind"); }

std::string_view part(std::string_view bytes, std::uint64_t offset, std::uint64_t size) {
    if (offset > bytes.size() || size > bytes.size() - offset) throw broken();
    return bytes.substr(offset, size);
}

template <typename Record>
Record read(std::string_view bytes, std::uint64_t offset) {
    Record record;
    std::memcpy(&record, part(bytes, offset, sizeof record).data(), sizeof record);
    return record;
}

/// FNV-1a, 64 bits.
std::uint64_t checksum(std::string_view bytes) {
    std::uint64_t hash = 0xCBF29CE484222325;
    for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
    return hash;
}

/// What the page at `offset` says of the whole file; nothing where it is half written.
std::optional<Meta> meta_at(std::string_view bytes, std::uint64_t offset) {
    if (offset + sizeof(PageHeader) + sizeof(Meta) > bytes.size()) return std::nullopt;
    const auto meta = read<Meta>(bytes, offset + sizeof(PageHeader));
    const std::string_view summed = part(bytes, offset + sizeof(PageHeader), offsetof(Meta, checksum));
    if (meta.magic != kMagic || meta.version != kVersion || meta.checksum != checksum(summed)) return std::nullopt;
    return meta;
}

}  // namespace

BoltDatabase::BoltDatabase(std::string bytes) : bytes_(std::move(bytes)) {
    constexpr std::uint64_t kLeastPage = 512;
    constexpr std::uint64_t kMostPage = 65536;
    std::optional<Meta> newest = meta_at(bytes_, 0);
    for (std::uint64_t second = kLeastPage; second <= kMostPage; second *= 2) {
        const std::optional<Meta> meta = meta_at(bytes_, second);
        if (meta && meta->page_size == second && (!newest || meta->transaction > newest->transaction)) newest = meta;
    }
    if (!newest || newest->page_size < kLeastPage) throw broken();
    page_size_ = newest->page_size;
    root_ = newest->root.root;
}

std::map<std::string, std::string> BoltDatabase::values(const std::vector<std::string>& path) const {
    Entries entries;
    collect(page(root_), 0, entries);
    for (const std::string& key : path) {
        const auto found = entries.find(key);
        if (found == entries.end() || !found->second.is_bucket) return {};
        entries = bucket(found->second.value);
    }
    std::map<std::string, std::string> values;
    for (const auto& [key, entry] : entries)
        if (!entry.is_bucket) values[key] = entry.value;
    return values;
}

std::string_view BoltDatabase::page(std::uint64_t number) const {
    if (number > bytes_.size() / page_size_) throw broken();
    const auto header = read<PageHeader>(bytes_, number * page_size_);
    return part(bytes_, number * page_size_, (std::uint64_t{header.overflow} + 1) * page_size_);
}

BoltDatabase::Entries BoltDatabase::bucket(std::string_view value) const {
    const auto header = read<BucketHeader>(value, 0);
    Entries entries;
    collect(header.root == 0 ? value.substr(sizeof header) : page(header.root), 0, entries);
    return entries;
}

void BoltDatabase::collect(std::string_view page, int depth, Entries& entries) const {
    const auto header = read<PageHeader>(page, 0);
    const bool is_branch = header.flags == kBranchPage;
    if (depth > kDeepest || (!is_branch && header.flags != kLeafPage)) throw broken();
    static_assert(sizeof(LeafEntry) == sizeof(BranchEntry));
    for (std::uint64_t i = 0; i < header.count; ++i) {
        const std::uint64_t at = sizeof header + i * sizeof(LeafEntry);
        if (is_branch) {
            collect(this->page(read<BranchEntry>(page, at).page), depth + 1, entries);
            continue;
        }
        const auto entry = read<LeafEntry>(page, at);
        const std::uint64_t key = at + entry.position;
        entries[std::string(part(page, key, entry.key_size))] = {entry.flags == kBucketEntry,
                                                                 part(page, key + entry.key_size, entry.value_size)};
    }
}

}  // namespace stasis::runtime
